"""The judge of any API of a model, chosen by the path of the request."""

from __future__ import annotations

from fuseboard.http.judge import Judge, Request
from fuseboard.http.judges.ollama import is_ollamas_own, ollama_judge
from fuseboard.http.judges.openai import openai_judge
from fuseboard.http.judges.verdict_rules import NO_RULES, VerdictRules


def llm_judge(request: Request, rules: VerdictRules = NO_RULES) -> Judge:
    """Return the judge of a request to a model: of Ollama's own API by its path, or of the others.

    The path may begin with anything, as gateways have it: `/api/v1/chat/completions`,
    `/openai/deployments/gpt/chat/completions`, `/v1beta/openai/chat/completions`.
    """
    make = ollama_judge if is_ollamas_own(request.url.path) else openai_judge
    return make(request, rules)
