"""Recording of a run into a file, and its replay."""
