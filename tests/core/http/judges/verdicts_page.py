"""The table in `docs/verdicts.md`, made of the cases that the tests try.

python -m tests.core.http.judges.verdicts_page            writes it
python -m tests.core.http.judges.verdicts_page --check    fails if it is not current
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from tests.core.http.judges.verdict_cases import VerdictCase, judge_sync, load_cases

PAGE = Path(__file__).parents[4] / "docs" / "verdicts.md"

_HEAD = """\
# What is said of which response

Responses in the forms that servers of models send, and the verdict that a breaker behind
`BreakerTransport` gives each with its reason. The source is where one was reported, shortened to
what matters; where it begins with *after* or *class of*, the response is written after a report,
its kind or a documentation, and was not captured. The table is made of the tests' own data
(`tests/core/http/judges/verdicts.jsonl`) by `python -m tests.core.http.judges.verdicts_page`.
[http.md](http.md) tells the rules, and how to choose others.
"""


def render() -> str:
    """Return the page."""
    cases = sorted(load_cases(), key=lambda case: case.provider.casefold())
    sections = [
        _section(provider, list(group))
        for provider, group in groupby(cases, lambda case: case.provider)
    ]
    return "\n".join([_HEAD, *sections])


def _section(provider: str, cases: list[VerdictCase]) -> str:
    rows = [
        "| response | | verdict | reason | because of | source |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_row, cases),
    ]
    return f"## {provider}\n\n" + "\n".join(rows) + "\n"


def _row(case: VerdictCase) -> str:
    ruling = judge_sync(case)
    where = f"{case.status} `{case.method} {case.path}`"
    quote = "``" if "`" in ruling.reason else "`"
    reason = f"{quote}{ruling.reason}{quote}" if ruling.reason else ""
    cells = (case.name, where, ruling.verdict.value, reason, case.why, case.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    """Write the page, or check it."""
    page = render()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text() != page:
            print(f"{PAGE} is not current: run python -m {__spec__.name}")
            return 1
        return 0
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
