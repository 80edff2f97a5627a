"""The routes of OpenAI's API, below `/v1/`."""
