"""The entry point of the command `fuseboard`; imports nothing that may not be installed."""

from __future__ import annotations

import gc
import signal
import sys
import traceback

from fuseboard_tui.cli.missing_package import missing_package
from fuseboard_tui.cli.safe_streams import safe_streams


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 2 where the user can correct something."""
    with safe_streams():
        return _run(sys.argv[1:] if arguments is None else arguments)


def _run(arguments: list[str]) -> int:
    gc.disable()  # imported objects are not garbage; searching them takes 5 % of the start
    try:
        from fuseboard_tui.cli.command_line import run

        return run(arguments)
    except ModuleNotFoundError as error:
        print(f"fuseboard: {missing_package(error)}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception:  # noqa: BLE001 (the interpreter would write it to the bare stream)
        traceback.print_exc()
        return 1
    finally:
        gc.enable()
