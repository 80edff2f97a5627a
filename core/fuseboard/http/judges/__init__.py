"""Judges of HTTP exchanges, one for each protocol."""
