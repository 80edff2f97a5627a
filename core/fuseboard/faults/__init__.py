"""Fault injection between a client and its server."""
