"""Long runs of the whole program, which find what only time brings to light."""
