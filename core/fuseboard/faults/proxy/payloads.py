"""Applying a change of what a model says to the bytes that it is said in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from fuseboard.faults.proxy.chunks import EVENT_STREAM
from fuseboard.faults.rewriting import Payload, Rewrite


def rewrite_document(body: bytes, rewrites: Iterable[Rewrite]) -> bytes:
    """Return a body with changes; as it is, if it is no JSON object."""
    payload = _parse(body)
    if payload is None:
        return body
    for rewrite in rewrites:
        [payload], _ = rewrite(payload)
    return _dump(payload)


def rewrite_chunk(chunk: bytes, media_type: str, rewrite: Rewrite) -> tuple[bytes, bool]:
    """Return a line or an event with a change, and whether the stream ends with it.

    It is as it was if it has no JSON object.
    """
    is_event = media_type == EVENT_STREAM
    payload = _parse(_event_data(chunk) if is_event else chunk)
    if payload is None:
        return chunk, False
    before = _dump(payload)
    payloads, ended = rewrite(payload)
    if not ended and [_dump(each) for each in payloads] == [before]:
        return chunk, False
    if not is_event:
        return b"".join(_dump(each) + b"\n" for each in payloads), ended
    events = b"".join(map(_event, payloads))
    if ended and "choices" in payload:
        events += b"data: [DONE]\n\n"
    return events, ended


def _event_data(event: bytes) -> bytes:
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"\n".join(line[5:] for line in lines if line.startswith(b"data:"))


def _event(payload: Payload) -> bytes:
    # Where the payloads have a type, events are named for it: Anthropic's, OpenAI's responses.
    name = payload.get("type")
    head = f"event: {name}\n" if isinstance(name, str) else ""
    return b"%bdata: %b\n\n" % (head.encode(), _dump(payload))


def _parse(text: bytes) -> Payload | None:
    try:
        payload: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _dump(payload: Payload | Sequence[Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
