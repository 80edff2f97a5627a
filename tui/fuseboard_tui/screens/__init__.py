"""The screens that the board opens, and their bases."""
