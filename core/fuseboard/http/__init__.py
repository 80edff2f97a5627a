"""Circuit breakers for HTTP: transports for httpx and httpx2, and judges of each exchange.

A breaker needs a verdict for every request. A *judge* derives it from the
status, the body and the way the body ends; `BreakerTransport` applies it to
everything an httpx client sends, streamed or not:

    import httpx
    from fuseboard import CircuitBreaker
    from fuseboard.http import BreakerTransport, RequestRejectedError, llm_judge

    transport = BreakerTransport(CircuitBreaker("llm"), judge=llm_judge)
    with httpx.Client(transport=transport) as client:
        try:
            client.post("https://llm.example/v1/chat/completions", json=request)
        except RequestRejectedError as rejection:
            print(f"open; retry in {rejection.retry_after} s")

`fuseboard.http.httpx2` has the transport for httpx2 under the same name.
`rejection_of()` finds the rejection in the error that a client of somebody else
makes of it.

`http_judge` reads the status only and is the default. `llm_judge` finds the judge
of a model's API by the path: `openai_judge`, `anthropic_judge` or `ollama_judge`.
`judge_with` makes one to which other statuses are failures. `fuseboard.http.judges`
says how to add a judge for another protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard.http.judges.anthropic import anthropic_judge
from fuseboard.http.judges.http import http_judge
from fuseboard.http.judges.llm import llm_judge
from fuseboard.http.judges.ollama import ollama_judge
from fuseboard.http.judges.openai import openai_judge
from fuseboard.http.judges.verdict_rules import judge_with
from fuseboard.http.rejection import rejection_of
from fuseboard.lazy_names import lazy_getattr

if TYPE_CHECKING:
    from fuseboard.http.transport import BreakerTransport, RequestRejectedError

__all__ = [
    "BreakerTransport",
    "RequestRejectedError",
    "anthropic_judge",
    "http_judge",
    "judge_with",
    "llm_judge",
    "ollama_judge",
    "openai_judge",
    "rejection_of",
]

# They need httpx, which the judges and the transport for httpx2 do not.
__getattr__ = lazy_getattr(__name__, {"transport": "BreakerTransport RequestRejectedError"})


def __dir__() -> list[str]:
    return list(__all__)
