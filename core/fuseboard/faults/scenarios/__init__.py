"""Scenarios: faults that come and go over time."""
