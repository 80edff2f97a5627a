"""The routes of Ollama's own API."""
