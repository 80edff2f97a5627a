"""The engine in front of a real model: real tokens, faults on the wire, a killed process."""

from __future__ import annotations

import pytest

from fuseboard import State
from fuseboard.engine.commands import ClearFaults, SetFault
from fuseboard.snapshot.traffic_kind import TrafficKind
from tests.core.engine.test_engine import running, wait_for
from tests.real_model.model_server import ModelServer

pytestmark = pytest.mark.real_model


def test_trips_and_recovers_and_sees_the_model_die(model_server: ModelServer) -> None:
    with running(
        simulate=False,
        ollama=model_server.url,
        model=model_server.model,
        rate=4.0,
        concurrency=2,
    ) as it:
        ready = it.engine.wait_until_ready()
        assert ready.target is not None
        assert (ready.target.simulated, ready.target.model) == (False, model_server.model)
        wait_for(lambda: it.breaker().calls.success >= 2, "an answer")

        it.engine.send(SetFault("error500", True))
        it.wait_for_state(State.OPEN)
        assert "HTTP 500" in it.breaker().why

        it.engine.send(ClearFaults())
        it.clock.advance(10)
        it.wait_for_state(State.CLOSED)
        assert it.breaker().history[-1].reason == "probe succeeded"

        model_server.kill_model()
        it.wait_for_state(State.OPEN)
        assert "error in the answer: Connection error." in it.breaker().why


def test_generates_from_passages_with_real_embeddings(model_server: ModelServer) -> None:
    with running(
        simulate=False,
        ollama=model_server.url,
        model=model_server.model,
        traffic=None,
        # Its name does not show that it embeds, so it must be named.
        embedding_model=model_server.model,
        rate=4.0,
        concurrency=1,
    ) as it:
        ready = it.engine.wait_until_ready()
        assert ready.traffic is not None
        assert ready.traffic.kind is TrafficKind.RAG
        wait_for(lambda: it.breaker().calls.success >= 2, "an answer")
        for breaker in it.engine.snapshot().breakers:
            assert breaker.calls.failure == 0, breaker.why
        assert it.breaker("ollama_embed").calls.success > 2
