"""What is shown: the source of the snapshots, and the moment among them."""
