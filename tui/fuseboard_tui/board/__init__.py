"""The main screen and what belongs to it."""
