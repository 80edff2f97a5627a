"""The HTTP proxy that injects the faults."""
