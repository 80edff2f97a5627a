"""The first line of the board: target, traffic, active faults, endpoint, uptime."""

from __future__ import annotations

from fuseboard.snapshot.snapshot import Phase, Snapshot, TrafficSnapshot
from fuseboard_tui.text.clock_time import format_clock_time
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, LinesWidget, join_spans, plain_text


class HeaderLine(LinesWidget):
    """Draw the header; shorten it where the window is narrow."""

    def show(self, snapshot: Snapshot, badge: str) -> None:
        """Draw a snapshot; `badge` names its moment, and is empty if that is now."""
        name: Line = (("fuseboard", "strong"),)
        metrics: Line = (f"/metrics :{_port(snapshot.metrics_url)}",)
        target, faults = _target(snapshot), _faults(snapshot)
        uptime: Line = (format_clock_time(snapshot.uptime).zfill(len("00:00:00")),)
        parts: list[Line] = [
            name,
            *_condition(snapshot, badge),
            *target,
            *_traffic(snapshot),
            faults,
            *([metrics] if snapshot.metrics_url else []),
            uptime,
        ]
        # In a narrow window the least important parts go first; then others are shortened.
        shorter: list[tuple[Line, list[Line]]] = [
            (least, [])
            for least in (name, *(() if _has_faults(snapshot) else (faults,)), metrics, uptime)
        ]
        shorter += [(part, _target(snapshot, short=True)) for part in target]
        shorter += [(faults, [_short_faults(snapshot)])]
        for long, replacement in shorter:
            if len(plain_text(_line(parts))) <= self.size.width:
                break
            place = next((n for n, part in enumerate(parts) if part is long), None)
            if place is not None:
                parts[place : place + 1] = replacement
        self.draw([_line(parts)])


def _condition(snapshot: Snapshot, badge: str) -> list[Line]:
    parts: list[Line] = [((f" {badge} ", "badge"),)] if badge else []
    if snapshot.phase is Phase.STARTING:
        parts.append(("starting…",))
    elif snapshot.phase is Phase.STOPPED:
        parts.append(((" STOPPED ", "badge"),))
    return parts


def _target(snapshot: Snapshot, *, short: bool = False) -> list[Line]:
    target = snapshot.target
    if target is None:
        return []
    if target.simulated:
        model = () if short else (f" {sanitize(target.model, 40)}",)
        return [((" SIMULATED ", "badge"), *model)]
    if short:
        return [(sanitize(target.model, 20),)]
    return [(sanitize(f"{target.url} {target.model}".rstrip(), 60),)]


def _short_faults(snapshot: Snapshot) -> Line:
    count = sum(fault.active for fault in snapshot.faults)
    return ((f"{count} fault{'' if count == 1 else 's'} on", "alarm"),)


def _faults(snapshot: Snapshot) -> Line:
    on = [fault for fault in snapshot.faults if fault.active]
    if not on:
        return ("no faults",)
    shares = (f"{sanitize(fault.label, 20)} {fault.setting.probability:.0%}" for fault in on)
    names = ", ".join(shares)
    return ((f"faults: {names}", "alarm"),)


def _line(parts: list[Line]) -> Line:
    return " ", *join_spans(" · ", parts)


def _traffic(snapshot: Snapshot) -> list[Line]:
    traffic = snapshot.traffic
    if traffic is None:
        return []
    return [(f"traffic {format_rate(traffic)}" if traffic.running else "traffic off",)]


def format_rate(traffic: TrafficSnapshot) -> str:
    """Return the rate that the traffic aims at, after the actual one if that is lower."""
    actual = traffic.actual_rate
    if actual is None or not traffic.falls_behind:
        return f"{traffic.rate:,g}/s"
    return f"{float(f'{actual:.3g}'):,g} of {traffic.rate:,g}/s"


def _has_faults(snapshot: Snapshot) -> bool:
    return any(fault.active for fault in snapshot.faults)


def _port(url: str) -> str:
    return sanitize(url.rpartition(":")[2].partition("/")[0], 5)
