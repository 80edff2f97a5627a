"""Retrieval-augmented generation over the small corpus in this package."""
