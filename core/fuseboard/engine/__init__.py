"""What runs everything: thread and loop, assembly, commands, status."""
