"""The catalogue of every fault that the proxy can inject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from fuseboard.faults import effects
from fuseboard.faults.apis import generates
from fuseboard.faults.effects import ChunkEffect, RequestEffect, ResponseEffect
from fuseboard.faults.rewriting import Rewrite, break_tool_arguments, end_at_token_limit
from fuseboard.invalid_input import InvalidInputError
from fuseboard.snapshot.fault_setting import FaultSetting


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of failure between a client and its server."""

    key: str
    """The key that switches it on the dashboard."""
    name: str
    label: str
    """A short name, at most nine characters, for narrow columns."""
    template: str
    """A description of one line, with placeholders for the setting."""
    default: FaultSetting = FaultSetting()  # noqa: RUF009 (immutable)
    """The initial setting; a field that is `None` here cannot be set."""
    only_generation: bool = False
    """Whether it hits only requests that make a model generate, unless paths are set."""
    closes_port: bool = False
    """Whether the proxy closes its listening port while the fault is active."""
    delays: bool = False
    """Whether it delays a request, and is therefore applied before the other faults."""
    on_request: RequestEffect | None = None
    """Applied to a request before it is forwarded."""
    on_response: ResponseEffect | None = None
    """Applied to a response after `FaultSetting.chunks` chunks of its body."""
    sends_body: bool = False
    """Whether `on_response` sends data, which replaces a body that is no stream.

    Half of such a body is forwarded before any other fault.
    """
    on_chunk: ChunkEffect | None = None
    """Called for each chunk of a response; sends it on instead of the proxy."""
    rewrite: Rewrite | None = None
    """Changes what a successful response says, after `FaultSetting.chunks` chunks if it streams."""

    def describe(self, setting: FaultSetting) -> str:
        """Return a description of one line of what the fault does with this setting."""
        return self.template.format(seconds=setting.seconds, chunks=setting.chunks)

    def concerns(self, path: str, setting: FaultSetting) -> bool:
        """Return whether requests to `path` can be hit, with this setting."""
        if self.only_generation and not setting.paths:
            return generates(path)
        return setting.concerns(path)

    def setting(self, **changes: Any) -> FaultSetting:
        """Return the default setting with some fields changed.

        Raises:
            ValueError: If a field does not apply to this fault or its value is out of range.
        """
        setting = replace(self.default, **changes)
        self.check(setting)
        return setting

    def check(self, setting: FaultSetting) -> None:
        """Raise `ValueError` unless exactly the fields that apply to this fault are set."""
        for field in FaultSetting.__struct_fields__:
            value = getattr(setting, field)
            if getattr(self.default, field) is None:
                if value not in (None, ()):
                    raise InvalidInputError(f"{self.name} has no {field} to choose")
            elif value is None:
                raise InvalidInputError(f"{self.name} needs {field}")


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
        on_request=effects.respond_with_error(500, effects.RUNNER_CRASHED),
    ),
    Fault(
        key="3",
        name="busy503",
        label="busy 503",
        template="HTTP 503: the server's queue is full",
        on_request=effects.respond_with_error(503, effects.QUEUE_FULL),
    ),
    Fault(
        key="4",
        name="stall",
        label="stall",
        template="the request is taken and nothing comes back, not even headers",
        on_request=effects.delay_request("stall"),
    ),
    Fault(
        key="5",
        name="latency",
        label="latency",
        template="every request waits {seconds:g} s before it goes on",
        default=FaultSetting(seconds=2.0),
        delays=True,
        on_request=effects.delay_request("latency"),
    ),
    Fault(
        key="6",
        name="cut",
        label="cut",
        template="the answer ends properly after {chunks} chunks, without done",
        default=_AFTER_CHUNKS,
        on_response=effects.end_response,
    ),
    Fault(
        key="7",
        name="midreset",
        label="midreset",
        template="the connection is reset after {chunks} chunks of the answer",
        default=_AFTER_CHUNKS,
        on_response=effects.reset_response,
    ),
    Fault(
        key="8",
        name="errorline",
        label="errorline",
        template="after {chunks} chunks of a 200 comes a line that tells of an error",
        default=_AFTER_CHUNKS,
        on_response=effects.send_error_line,
        sends_body=True,
    ),
    Fault(
        key="9",
        name="wedge",
        label="wedge",
        template="generating hangs, and everything else answers",
        only_generation=True,
        on_request=effects.delay_request("wedge"),
    ),
    Fault(
        key="R",
        name="reset",
        label="reset",
        template="the connection is reset before the answer's headers",
        on_request=effects.reset_request,
    ),
    Fault(
        key="C",
        name="close",
        label="close",
        template="the connection is closed properly before the answer's headers",
        on_request=effects.close_request,
    ),
    Fault(
        key="M",
        name="missing404",
        label="model 404",
        template="HTTP 404: no such model; the caller's fault, no failure",
        on_request=effects.respond_model_not_found,
    ),
    Fault(
        key="L",
        name="limit429",
        label="limit 429",
        template="HTTP 429: too many requests, come back after {seconds:g} s",
        default=FaultSetting(seconds=5.0),
        on_request=effects.respond_rate_limited,
    ),
    Fault(
        key="G",
        name="garbage",
        label="garbage",
        template="after {chunks} chunks come bytes that are no JSON",
        default=_AFTER_CHUNKS,
        on_response=effects.send_garbage,
        sends_body=True,
    ),
    Fault(
        key="B",
        name="badchunk",
        label="badchunk",
        template="after {chunks} chunks one breaks off, and the connection closes",
        default=_AFTER_CHUNKS,
        on_response=effects.truncate_chunk,
    ),
    Fault(
        key="H",
        name="midstall",
        label="midstall",
        template="the answer hangs after {chunks} chunks",
        default=_AFTER_CHUNKS,
        on_response=effects.stall_response,
    ),
    Fault(
        key="D",
        name="drip",
        label="drip",
        template=f"the answer drips: {effects.DRIP_BYTES} bytes every {{seconds:g}} s",
        default=FaultSetting(seconds=1.0),
        on_chunk=effects.drip,
    ),
    Fault(
        key="O",
        name="overload529",
        label="HTTP 529",
        template="HTTP 529: the provider is overloaded",
        on_request=effects.respond_with_error(529, effects.OVERLOADED),
    ),
    Fault(
        key="T",
        name="length",
        label="length",
        template="the answer ends at the token limit after {chunks} chunks; no failure",
        default=_AFTER_CHUNKS,
        rewrite=end_at_token_limit,
    ),
    Fault(
        key="A",
        name="badargs",
        label="bad args",
        template="tool calls have broken arguments; no failure",
        rewrite=break_tool_arguments,
    ),
)

BY_NAME = {fault.name: fault for fault in CATALOGUE}


def find_fault(name: str) -> Fault:
    """Return the fault with this name.

    Raises:
        ValueError: If there is none; the message lists all names.
    """
    try:
        return BY_NAME[name]
    except KeyError:
        raise InvalidInputError(
            f"there is no fault {name!r}; there are {', '.join(BY_NAME)}"
        ) from None
