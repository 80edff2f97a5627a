"""Record a run into a file, and replay it."""
