"""Immutable snapshots of everything a dashboard may draw, and how they are written."""
