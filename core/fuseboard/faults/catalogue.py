"""Every fault the proxy can make, each defined here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from fuseboard.faults import effects as behaviour
from fuseboard.faults.effects import OnAnswer, OnPiece, OnRequest
from fuseboard.snapshot.fault_setting import FaultSetting

_GENERATING = ("/api/generate", "/api/chat", "/v1/chat/", "/v1/completions", "/v1/responses")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the wire breaks."""

    key: str
    """The key that switches it on the dashboard."""
    name: str
    label: str
    """A few letters for where there is little room."""
    template: str
    """One line that says what it does, with places for what is set."""
    default: FaultSetting = FaultSetting()  # noqa: RUF009 (immutable)
    """Its setting unless another is chosen; what is `None` there cannot be."""
    closes_port: bool = False
    """Nobody listens while it is on."""
    delays: bool = False
    """It holds a request up before other faults meet it."""
    on_request: OnRequest | None = None
    """Meets a request; returns whether it is passed on after all."""
    on_answer: OnAnswer | None = None
    """Meets an answer after its first chunks; returns whether the rest is passed on after all."""
    speaks: bool = False
    """What it says can stand for a whole answer, so that none of that need come before."""
    on_piece: OnPiece | None = None
    """Sends each piece of an answer on in its own way."""

    def words(self, setting: FaultSetting) -> str:
        """Say in one line what it does when it is set so."""
        return self.template.format(seconds=setting.seconds, chunks=setting.chunks)

    def setting(self, **changes: Any) -> FaultSetting:
        """Make a setting of it; raises `ValueError` if there is no such thing to choose."""
        setting = replace(self.default, **changes)
        self.check(setting)
        return setting

    def check(self, setting: FaultSetting) -> None:
        """Raise `ValueError` unless just what there is to choose about it is set."""
        for field in fields(FaultSetting):
            chosen = getattr(setting, field.name)
            if getattr(self.default, field.name) is None:
                if chosen not in (None, ()):
                    raise ValueError(f"{self.name} has no {field.name} to choose")
            elif chosen is None:
                raise ValueError(f"{self.name} needs {field.name}")


_AFTER_CHUNKS = FaultSetting(chunks=3)

CATALOGUE = (
    Fault(
        key="1",
        name="refuse",
        label="refuse",
        template="nobody listens: new connections are refused",
        default=FaultSetting(paths=None),
        closes_port=True,
    ),
    Fault(
        key="2",
        name="error500",
        label="HTTP 500",
        template="HTTP 500: the model's runner has crashed",
        on_request=behaviour.answers(500, behaviour.CRASHED),
    ),
    Fault(
        key="3",
        name="busy503",
        label="busy 503",
        template="HTTP 503: the server's queue is full",
        on_request=behaviour.answers(503, behaviour.FULL),
    ),
    Fault(
        key="4",
        name="stall",
        label="stall",
        template="the request is taken and nothing comes back, not even headers",
        on_request=behaviour.holds("stall"),
    ),
    Fault(
        key="5",
        name="latency",
        label="latency",
        template="every request waits {seconds:g} s before it goes on",
        default=FaultSetting(seconds=2.0),
        delays=True,
        on_request=behaviour.holds("latency"),
    ),
    Fault(
        key="6",
        name="cut",
        label="cut",
        template="the answer ends properly after {chunks} chunks, without done",
        default=_AFTER_CHUNKS,
        on_answer=behaviour.end,
    ),
    Fault(
        key="7",
        name="midreset",
        label="midreset",
        template="the connection is reset after {chunks} chunks of the answer",
        default=_AFTER_CHUNKS,
        on_answer=behaviour.reset_answer,
    ),
    Fault(
        key="8",
        name="errorline",
        label="errorline",
        template="after {chunks} chunks of a 200 comes a line that tells of an error",
        default=_AFTER_CHUNKS,
        on_answer=behaviour.say_error,
        speaks=True,
    ),
    Fault(
        key="9",
        name="wedge",
        label="wedge",
        template="generating hangs, and everything else answers",
        default=FaultSetting(paths=_GENERATING),
        on_request=behaviour.holds("wedge"),
    ),
    Fault(
        key="R",
        name="reset",
        label="reset",
        template="the connection is reset before the answer's headers",
        on_request=behaviour.reset,
    ),
    Fault(
        key="C",
        name="close",
        label="close",
        template="the connection is closed properly before the answer's headers",
        on_request=behaviour.close,
    ),
    Fault(
        key="M",
        name="missing404",
        label="model 404",
        template="HTTP 404: no such model; the caller's fault, no failure",
        on_request=behaviour.answer_not_found,
    ),
    Fault(
        key="L",
        name="limit429",
        label="limit 429",
        template="HTTP 429: too many requests, come back after {seconds:g} s",
        default=FaultSetting(seconds=5.0),
        on_request=behaviour.answer_limited,
    ),
    Fault(
        key="G",
        name="garbage",
        label="garbage",
        template="after {chunks} chunks come bytes that are no JSON",
        default=_AFTER_CHUNKS,
        on_answer=behaviour.say_garbage,
        speaks=True,
    ),
    Fault(
        key="B",
        name="badchunk",
        label="badchunk",
        template="after {chunks} chunks one breaks off, and the connection closes",
        default=_AFTER_CHUNKS,
        on_answer=behaviour.end_within_a_chunk,
    ),
    Fault(
        key="H",
        name="midstall",
        label="midstall",
        template="the answer hangs after {chunks} chunks",
        default=_AFTER_CHUNKS,
        on_answer=behaviour.hold_answer,
    ),
    Fault(
        key="D",
        name="drip",
        label="drip",
        template=f"the answer drips: {behaviour.DRIP_BYTES} bytes every {{seconds:g}} s",
        default=FaultSetting(seconds=1.0),
        on_piece=behaviour.drip,
    ),
)

BY_NAME = {fault.name: fault for fault in CATALOGUE}


def find_fault(name: str) -> Fault:
    """Find a fault; raises `ValueError` that lists them if there is none of that name."""
    try:
        return BY_NAME[name]
    except KeyError:
        raise ValueError(f"there is no fault {name!r}; there are {', '.join(BY_NAME)}") from None
