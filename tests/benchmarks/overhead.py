"""Compare the cost of a call through fuseboard's breaker and through installed peers.

Run `python -m tests.benchmarks.overhead` from the root of the repository, on a
machine that does nothing else. It takes about half a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence

from tests.benchmarks.column import COLUMNS, Column
from tests.benchmarks.measuring import measure
from tests.benchmarks.ours import our_contestant
from tests.benchmarks.peers import load_peers
from tests.benchmarks.proof import prove
from tests.benchmarks.table import as_json, draw, machine

INSTALL = "pip install '.[bench]'"


def main(arguments: Sequence[str] | None = None) -> None:
    """Check every contestant, measure all of them, and print the table."""
    options = _options(arguments)
    columns = [column for column in COLUMNS if not options.only or column.key in options.only]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers call what newer Pythons deprecate
        peers, missing = load_peers()
        contestants = [our_contestant(), *peers]
        for contestant in contestants:
            prove(contestant)
        results = {
            column.key: measure(
                column,
                contestants,
                rounds=options.rounds,
                calls=options.calls,
                progress=_progress_of(column),
            )
            for column in columns
        }
    if options.json:
        print(json.dumps(as_json(columns, contestants, results, missing), indent=2))
        return
    print(machine())
    print()
    print(draw(columns, contestants, results))
    if missing:
        print()
        print(f"Not installed: {', '.join(missing)}. For all of them: {INSTALL}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.overhead", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--rounds",
        type=_positive,
        default=200,
        help="turns of each (%(default)s); fewer of those that take longer",
    )
    parser.add_argument(
        "--calls",
        type=_positive,
        default=500,
        help="calls in a turn (%(default)s); more where threads make them",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[column.key for column in COLUMNS],
        help="time this column; may be given again",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with the medians")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.calls = 1, 5
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _progress_of(column: Column) -> Callable[[int, int], None]:
    """Return a function that reports progress on stderr: live on a terminal, else at the end."""
    live = sys.stderr.isatty()

    def progress(done: int, rounds: int) -> None:
        if live:
            end = "\n" if done == rounds else ""
            message = f"\r{column.title}: round {done} of {rounds}"
            print(message, end=end, file=sys.stderr, flush=True)
        elif done == rounds:
            print(f"{column.title}: {rounds} rounds", file=sys.stderr, flush=True)

    return progress


if __name__ == "__main__":
    main()
