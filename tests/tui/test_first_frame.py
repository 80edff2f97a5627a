"""What the command has imported when it draws its first frame."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.terminal import running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="knows Linux's terminals only")

# The command without the start of the engine: it writes down what is imported by then, and ends.
SCRIPT = """
import os, sys
from fuseboard_tui.cli import dashboard, main

def end(app):
    with open(sys.argv[1], "w") as file:
        file.write("\\n".join(sys.modules))
    os._exit(0)

def draw(app):
    type(app).on_ready = end
    return run_app(app)

run_app, dashboard.draw = dashboard.draw, draw
main.main(["--simulate", "--metrics-port", "0", "--failure-threshold", "3"])
"""

OURS = """
    fuseboard fuseboard.invalid_input fuseboard.lazy_names fuseboard.masked_url
    fuseboard.text_file fuseboard.version
    fuseboard.engine fuseboard.engine.settings
    fuseboard.metrics fuseboard.metrics.namespace
    fuseboard.ollama fuseboard.ollama.deadlines
    fuseboard.simulator fuseboard.simulator.models fuseboard.simulator.settings
    fuseboard.snapshot fuseboard.snapshot.fault_setting fuseboard.snapshot.traffic_kind
    fuseboard.traffic fuseboard.traffic.questions
    fuseboard_tui fuseboard_tui.app fuseboard_tui.remembered_theme fuseboard_tui.themes
    fuseboard_tui.cli fuseboard_tui.cli.background_stderr
    fuseboard_tui.cli.command_line fuseboard_tui.cli.config_file
    fuseboard_tui.cli.dashboard fuseboard_tui.cli.deferred_log fuseboard_tui.cli.garbage_collection
    fuseboard_tui.cli.main fuseboard_tui.cli.missing_package
    fuseboard_tui.cli.option_types fuseboard_tui.cli.help_sections fuseboard_tui.cli.problems
    fuseboard_tui.cli.run_options fuseboard_tui.cli.safe_streams fuseboard_tui.cli.starting_app
    fuseboard_tui.terminal fuseboard_tui.terminal.ascii_drawing
    fuseboard_tui.terminal.background_writer fuseboard_tui.terminal.driver
    fuseboard_tui.terminal.requirements
    fuseboard_tui.text fuseboard_tui.text.safe_screen fuseboard_tui.text.sanitize
"""
"""The modules of fuseboard that the first frame may load. A longer list is a slower start."""

FORBIDDEN = """
    argparse cachetools email fuseboard.breaker fuseboard.engine.engine fuseboard.faults.proxy
    fuseboard_tui.board h11 http httpx httpcore gzip prometheus_client starlette tomllib
    urllib.request uvicorn
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    path: Path = tmp_path_factory.mktemp("first_frame") / "modules"
    with running([sys.executable, "-c", SCRIPT, str(path)]) as terminal:
        assert terminal.wait_for_end() == 0, terminal.tail.decode(errors="replace")
    return set(path.read_text().splitlines())


def test_of_fuseboard_only_what_it_needs_is_imported(loaded: set[str]) -> None:
    ours = {name for name in loaded if name.partition(".")[0] in ("fuseboard", "fuseboard_tui")}
    assert ours <= set(OURS.split()), ours - set(OURS.split())
    assert set(OURS.split()) <= ours, "the list is longer than it need be"


@pytest.mark.parametrize("name", FORBIDDEN.split())
def test_nothing_that_the_engine_needs_is_imported(loaded: set[str], name: str) -> None:
    assert name not in loaded
