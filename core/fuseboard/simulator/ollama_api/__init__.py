"""The routes of Ollama's own API, below `/api/`."""
