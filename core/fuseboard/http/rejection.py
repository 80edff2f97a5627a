"""The rejection behind the exception of a client that was given a guarding transport."""

from __future__ import annotations

from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.http.causes import causes


def rejection_of(error: BaseException) -> CircuitOpenError | None:
    """Return the rejection by a breaker that led to `error`; `None` if none did.

    Clients convert what a transport raises to errors of their own: with openai
    a rejection is the cause of an `APIConnectionError`, with others it is the
    cause of a cause, or was being handled when the error was raised. Of several
    rejections the one nearest to `error` is returned.

        try:
            client.chat.completions.create(model=model, messages=messages)
        except openai.APIConnectionError as error:
            if not (rejection := rejection_of(error)):
                raise
            print(f"open; retry in {rejection.retry_after} s")
    """
    return next((cause for cause in causes(error) if isinstance(cause, CircuitOpenError)), None)
