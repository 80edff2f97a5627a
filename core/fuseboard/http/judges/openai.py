"""The judge of the OpenAI API."""

from __future__ import annotations

from fuseboard.http.judge import Judge, Request
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.model_api import ModelApiJudge
from fuseboard.http.judges.verdict_rules import NO_RULES, VerdictRules


def openai_judge(request: Request, rules: VerdictRules = NO_RULES) -> Judge:
    """Return the judge of a request to a server that implements the OpenAI API."""
    if request.method == "HEAD":
        return HttpJudge(request, rules.model_verdict)
    return ModelApiJudge(request, rules)
