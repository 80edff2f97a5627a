"""The HTTP proxy on whose wire the faults are made."""
