"""A simulated Ollama: its API without a model."""
