"""The circuit breaker. Imports nothing but the standard library."""
