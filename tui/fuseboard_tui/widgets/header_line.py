"""The first line: what is watched, and how the world is broken."""

from __future__ import annotations

from textual.content import Content

from fuseboard.snapshot import Phase, Snapshot
from fuseboard_tui.literal import literal
from fuseboard_tui.widgets.picture import Picture


class HeaderLine(Picture):
    """Draws where the calls go, the traffic, the faults that are on, and the time."""

    def show(self, snapshot: Snapshot, seconds_behind: float | None) -> None:
        """Draw a snapshot; `seconds_behind` says how old it is while the screen is paused."""
        parts: list[Content] = [self.styled("fuseboard", "strong")]
        if seconds_behind is not None:
            parts.append(self.styled(f" PAUSED, {seconds_behind:.0f} s behind ", "badge"))
        if snapshot.phase is Phase.STARTING:
            parts.append(Content("starting…"))
        elif snapshot.phase is Phase.STOPPED:
            parts.append(self.styled(" STOPPED ", "badge"))
        target = snapshot.target
        if target is not None:
            if target.simulated:
                parts.append(self.styled(" SIMULATED ", "badge"))
                parts.append(Content(literal(target.model, 40)))
            else:
                parts.append(Content(literal(f"{target.url} {target.model}", 60)))
        traffic = snapshot.traffic
        if traffic is not None:
            words = f"traffic {traffic.rate:g}/s" if traffic.running else "traffic off"
            parts.append(Content(words))
        parts.append(self._faults(snapshot))
        if snapshot.metrics_url:
            parts.append(Content(f"/metrics :{_port(snapshot.metrics_url)}"))
        parts.append(Content(_clock(snapshot.uptime)))
        self.draw(Content(" ").join([Content(""), Content(" · ").join(parts)]))

    def _faults(self, snapshot: Snapshot) -> Content:
        on = [fault for fault in snapshot.faults if fault.active]
        if not on:
            return Content("no faults")
        words = ", ".join(f"{fault.label} {fault.probability:.0%}" for fault in on)
        return self.styled(f"faults: {words}", "alarm")


def _port(url: str) -> str:
    return literal(url.rpartition(":")[2].partition("/")[0], 5)


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}"
