"""Judges of the protocols that models are called by, and of plain HTTP."""

from fuseboard.judges.http import HttpJudge, http_judge
from fuseboard.judges.ollama import OllamaJudge, ollama_judge
from fuseboard.judges.openai import OpenAIJudge, openai_judge

__all__ = [
    "HttpJudge",
    "OllamaJudge",
    "OpenAIJudge",
    "http_judge",
    "ollama_judge",
    "openai_judge",
]
