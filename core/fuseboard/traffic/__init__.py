"""What calls the model: generated traffic, manual prompts, cache warming."""
