"""The keys of the board and their actions; help, palette and footer are made from this table."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from fuseboard_tui.screens.fault_keys import FAULT_KEYS

BOARD_KEYS: list[BindingType] = [
    Binding("q,ctrl+c,ctrl+q", "leave", "quit", id="quit", key_display="q"),
    Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    Binding("space", "traffic", "traffic", id="traffic", tooltip="start or stop the calls"),
    Binding("t", "trip", "trip", id="trip", tooltip="open the chosen breaker by hand"),
    Binding("r", "reset", "reset", id="reset", tooltip="close the chosen breaker by hand"),
    *FAULT_KEYS,
    Binding(
        "f",
        "set_fault",
        "set a fault",
        id="set_fault",
        show=False,
        tooltip="type how often a fault hits, and how",
    ),
    Binding("p", "pause", "pause", id="pause", tooltip="hold the screen, not the engine"),
    Binding("left", "move(-1)", "a second back", id="back", show=False),
    Binding("right", "move(1)", "a second on", id="forth", show=False),
    Binding("shift+left", "move(-30)", "30 seconds back", id="far_back", show=False),
    Binding("shift+right", "move(30)", "30 seconds on", id="far_forth", show=False),
    Binding("home", "go_to_start", "the oldest that is remembered", id="start", show=False),
    Binding("end", "go_to_end", "the newest", id="end", show=False),
    Binding(
        "e",
        "export",
        "export",
        id="export",
        tooltip="write history and counters as JSON and CSV",
    ),
    Binding(
        "x",
        "save_screenshot",
        "picture",
        id="screenshot",
        show=False,
        tooltip="write a screenshot as SVG",
    ),
    Binding(
        "y",
        "copy",
        "copy",
        id="copy",
        show=False,
        tooltip="copy the chosen breaker and the first transition shown",
    ),
    Binding("down,j", "select(1)", "next breaker", id="next", key_display="↓", show=False),
    Binding("up,k", "select(-1)", "previous breaker", id="previous", key_display="↑", show=False),
    Binding("o", "sort", "order", id="sort", show=False, tooltip="the breakers in another order"),
    Binding(
        "slash",
        "filter",
        "filter",
        id="filter",
        key_display="/",
        show=False,
        tooltip="only breakers with certain letters in their names",
    ),
    Binding(
        "escape", "clear_filter", "all breakers", id="clear_filter", key_display="Esc", show=False
    ),
    Binding(
        "enter",
        "open_transition",
        "transition",
        id="transition",
        key_display="Enter",
        show=False,
        tooltip="the calls that led to a transition",
    ),
    Binding(
        "left_square_bracket",
        "rate(0.5)",
        "half the calls",
        id="fewer_calls",
        show=False,
        tooltip="half as many calls a second",
    ),
    Binding(
        "right_square_bracket",
        "rate(2)",
        "twice the calls",
        id="more_calls",
        show=False,
        tooltip="twice as many calls a second",
    ),
    Binding("m", "metrics", "metrics", id="metrics", tooltip="what Prometheus would scrape"),
    Binding(
        "d",
        "diagram",
        "states",
        id="diagram",
        show=False,
        tooltip="the states of the chosen breaker, and what is missing for each way out",
    ),
    Binding(
        "a", "ask", "ask", id="ask", show=False, tooltip="type a prompt, and watch the answer come"
    ),
    Binding(
        "s",
        "settings",
        "settings",
        id="settings",
        show=False,
        tooltip="thresholds and timeouts of the chosen breaker",
    ),
    Binding("l", "log", "log", id="log", show=False, tooltip="what the program has to say"),
    Binding("pagedown", "scroll(5)", "older transitions", id="older", show=False),
    Binding("pageup", "scroll(-5)", "newer transitions", id="newer", show=False),
]
