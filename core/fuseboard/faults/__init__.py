"""Faults on the wire between a client and its server."""
