"""A simulator of an Ollama server: its API without a model."""
