"""The engine: the thread and loop that everything runs on, its assembly, commands, status."""
