"""Finding the rejection in whatever a client makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError
from fuseboard.http import rejection_of


def rejection() -> CircuitOpenError:
    breaker = CircuitBreaker("llm")
    breaker.trip()
    with pytest.raises(CircuitOpenError) as caught:
        breaker.acquire()
    return caught.value


def caused(error: Exception) -> Exception:
    wrapped = LookupError("raise … from error")
    wrapped.__cause__ = error
    return wrapped


def handled(error: Exception) -> Exception:
    wrapped = LookupError("raise … while error was handled")
    wrapped.__context__ = error
    return wrapped


def hidden(error: Exception) -> Exception:
    wrapped = handled(error)
    wrapped.__suppress_context__ = True  # raise … from None
    return wrapped


def grouped(error: Exception) -> Exception:
    return ExceptionGroup("tasks", [ValueError(), error])


WRAPPINGS = [caused, handled, hidden, grouped]


@pytest.mark.parametrize("outer", WRAPPINGS)
@pytest.mark.parametrize("inner", WRAPPINGS)
def test_it_is_found_however_deep(
    inner: Callable[[Exception], Exception], outer: Callable[[Exception], Exception]
) -> None:
    rejected = rejection()
    assert rejection_of(rejected) is rejected
    assert rejection_of(outer(rejected)) is rejected
    assert rejection_of(outer(inner(rejected))) is rejected


@pytest.mark.parametrize("outer", WRAPPINGS)
def test_there_is_none_where_nothing_was_rejected(
    outer: Callable[[Exception], Exception],
) -> None:
    assert rejection_of(outer(ConnectionError())) is None


def test_the_nearest_of_two_is_found() -> None:
    first, second = rejection(), rejection()
    second.__context__ = caused(first)
    assert rejection_of(caused(second)) is second
    far_and_near = caused(caused(first))
    far_and_near.__context__ = second
    assert rejection_of(far_and_near) is second


def test_exceptions_that_lead_to_each_other_are_walked_once() -> None:
    one, other = ValueError(), LookupError()
    one.__cause__, other.__cause__ = other, one
    assert rejection_of(one) is None
