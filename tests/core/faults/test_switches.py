"""The switches of the faults: no change is lost on whoever watches them."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from fuseboard.faults.proxy.proxy import FaultProxy
from fuseboard.faults.switches import FaultSwitches
from fuseboard.server.sockets import bind
from tests.core.serving import closed_port, open_port

NO_UPSTREAM = "http://127.0.0.1:9"

LOOP_TURNS = range(8)
"""After how many turns of the loop a switch is made; among them is each moment of the proxy's."""


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("count", LOOP_TURNS)
async def test_refuse_refuses_and_ends_whenever_it_is_switched(count: int) -> None:
    switches = FaultSwitches()
    proxy = FaultProxy(bind("127.0.0.1", 0), NO_UPSTREAM, switches)
    await proxy.start()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(5):
            # In the same turn in which the proxy first looks at the switches, and in later ones.
            loop.call_soon(lambda: switches.switch("refuse", active=True))
            await closed_port(proxy.url)
            switches.switch("cut", active=True)  # makes it look again
            await turns(count)
            switches.switch("refuse", active=False)
            await open_port(proxy.url)
            switches.switch("cut", active=False)
            await turns(count)
            loop.call_soon(lambda: switches.switch("refuse", active=True))
            await closed_port(proxy.url)
    finally:
        await proxy.stop()


@pytest.mark.parametrize("count", LOOP_TURNS)
async def test_a_connection_made_just_before_is_not_kept(count: int) -> None:
    switches = FaultSwitches()
    proxy = FaultProxy(bind("127.0.0.1", 0), NO_UPSTREAM, switches)
    await proxy.start()
    await turns(20)
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.setblocking(False)
        await turns(count)
        switches.switch("refuse", active=True)
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
    await proxy.stop()


@pytest.mark.parametrize("count", LOOP_TURNS)
async def test_waiting_for_a_fault_ends_whenever_it_is_switched_off(count: int) -> None:
    switches = FaultSwitches()
    switches.switch("stall", active=True)
    waiting = asyncio.create_task(switches.wait_while_active("stall"))
    await turns(count)
    switches.switch("cut", active=True)
    await turns(count)
    assert not waiting.done()
    switches.clear()
    async with asyncio.timeout(5):
        await waiting


async def test_waiting_has_an_end() -> None:
    switches = FaultSwitches()
    switches.switch("latency", active=True)
    await switches.wait_while_active("latency", 0.001)
    assert switches.is_active("latency")
    await switches.wait_while_active("stall")  # which is not active
