"""Other people's clients behind the breaker and the faults, each in an environment of its own."""
