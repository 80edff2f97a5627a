"""When a closed breaker opens: trip policies and the windows they count over."""
