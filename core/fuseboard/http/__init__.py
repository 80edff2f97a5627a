"""Circuit breakers around HTTP requests: an httpx transport, and judges of what is answered.

transport = BreakerTransport(CircuitBreaker("llm"), judge=openai_judge)
client = httpx.Client(transport=transport)
"""

from fuseboard.http.judges.http import http_judge
from fuseboard.http.judges.ollama import ollama_judge
from fuseboard.http.judges.openai import openai_judge
from fuseboard.http.transport import BreakerTransport, RequestRejectedError

__all__ = [
    "BreakerTransport",
    "RequestRejectedError",
    "http_judge",
    "ollama_judge",
    "openai_judge",
]
