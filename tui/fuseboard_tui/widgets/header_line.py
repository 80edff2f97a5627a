"""The first line: what is watched, and how the world is broken."""

from __future__ import annotations

from fuseboard.snapshot.snapshot import Phase, Snapshot
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, LinesWidget, joined, text_of


class HeaderLine(LinesWidget):
    """Draws where the calls go, the traffic, the faults that are on, and the time."""

    def show(self, snapshot: Snapshot, badge: str) -> None:
        """Draw a snapshot; `badge` says which moment it is of, if it is not now."""
        name: Line = (("fuseboard", "strong"),)
        metrics: Line = (f"/metrics :{_port(snapshot.metrics_url)}",)
        target, faults = _target(snapshot), _faults(snapshot)
        uptime: Line = (_clock(snapshot.uptime),)
        parts: list[Line] = [
            name,
            *_condition(snapshot, badge),
            *target,
            *_traffic(snapshot),
            faults,
            *([metrics] if snapshot.metrics_url else []),
            uptime,
        ]
        # Where there is no room for all, what says least goes first, and then much is said shortly.
        shorter: list[tuple[Line, list[Line]]] = [
            (least, [])
            for least in (name, *(() if _has_faults(snapshot) else (faults,)), metrics, uptime)
        ]
        shorter += [(part, _target(snapshot, shortly=True)) for part in target]
        shorter += [(faults, [_short_faults(snapshot)])]
        for long, short in shorter:
            if len(text_of(_line(parts))) <= self.size.width:
                break
            place = next((n for n, part in enumerate(parts) if part is long), None)
            if place is not None:
                parts[place : place + 1] = short
        self.draw([_line(parts)])


def _condition(snapshot: Snapshot, badge: str) -> list[Line]:
    said: list[Line] = [((f" {badge} ", "badge"),)] if badge else []
    if snapshot.phase is Phase.STARTING:
        said.append(("starting…",))
    elif snapshot.phase is Phase.STOPPED:
        said.append(((" STOPPED ", "badge"),))
    return said


def _target(snapshot: Snapshot, *, shortly: bool = False) -> list[Line]:
    target = snapshot.target
    if target is None:
        return []
    if target.simulated:
        model = () if shortly else (f" {sanitize(target.model, 40)}",)
        return [((" SIMULATED ", "badge"), *model)]
    if shortly:
        return [(sanitize(target.model, 20),)]
    return [(sanitize(f"{target.url} {target.model}", 60),)]


def _short_faults(snapshot: Snapshot) -> Line:
    count = sum(fault.active for fault in snapshot.faults)
    return ((f"{count} fault{'' if count == 1 else 's'} on", "alarm"),)


def _faults(snapshot: Snapshot) -> Line:
    on = [fault for fault in snapshot.faults if fault.active]
    if not on:
        return ("no faults",)
    words = ", ".join(f"{fault.label} {fault.setting.probability:.0%}" for fault in on)
    return ((f"faults: {words}", "alarm"),)


def _line(parts: list[Line]) -> Line:
    return " ", *joined(" · ", parts)


def _traffic(snapshot: Snapshot) -> list[Line]:
    traffic = snapshot.traffic
    if traffic is None:
        return []
    return [(f"traffic {traffic.rate:g}/s" if traffic.running else "traffic off",)]


def _has_faults(snapshot: Snapshot) -> bool:
    return any(fault.active for fault in snapshot.faults)


def _port(url: str) -> str:
    return sanitize(url.rpartition(":")[2].partition("/")[0], 5)


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}"
