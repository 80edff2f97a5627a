"""Immutable snapshots of everything that the dashboard draws, and their encoding."""
