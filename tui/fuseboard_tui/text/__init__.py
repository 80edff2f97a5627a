"""Text and characters that widgets draw with."""
