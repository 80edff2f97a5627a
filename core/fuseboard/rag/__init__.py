"""Retrieval augmented generation over a small corpus that comes with the package."""

from fuseboard.rag.corpus import read_corpus
from fuseboard.rag.prompt import grounded_prompt
from fuseboard.rag.retrieval import Retrieval

__all__ = ["Retrieval", "grounded_prompt", "read_corpus"]
