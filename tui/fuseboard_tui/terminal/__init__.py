"""What the program runs in: the terminal, and the descriptors that it writes to."""
