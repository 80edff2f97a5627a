"""What the simulated models say, and at what pace."""
