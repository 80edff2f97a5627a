"""The judge of Anthropic's API."""

from __future__ import annotations

from fuseboard.http.judge import Judge, Request
from fuseboard.http.judges.openai import openai_judge
from fuseboard.http.judges.verdict_rules import NO_RULES, VerdictRules


def anthropic_judge(request: Request, rules: VerdictRules = NO_RULES) -> Judge:
    """Return the judge of a request to a server that implements Anthropic's API.

    Many servers implement OpenAI's as well, under the same address: either is judged
    by what it sends.
    """
    return openai_judge(request, rules)
