"""What calls the model: generated traffic, a prompt by hand, warming of the cache."""
