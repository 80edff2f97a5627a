"""Scenarios: faults that are switched on and off over time."""
