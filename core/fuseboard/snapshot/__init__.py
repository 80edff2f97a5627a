"""Immutable snapshots of everything a dashboard may draw, and their encoding."""
