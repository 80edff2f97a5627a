"""Retrieval augmented generation over a small corpus that comes with the package."""
