"""The handlers of the commands, and the recording of refused ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fuseboard.breaker.tunables import format_number, tunables_of, with_tunables
from fuseboard.engine.assembly import Assembly, Running
from fuseboard.engine.commands import (
    Ask,
    ClearFaults,
    Command,
    ConfigureBreaker,
    DisableBreaker,
    PlayScenario,
    ResetBreaker,
    RunTraffic,
    SetFault,
    SetRate,
    StopAsking,
    TripBreaker,
)
from fuseboard.engine.status import EngineStatus
from fuseboard.invalid_input import InvalidInputError
from fuseboard.traffic.generator import TrafficGenerator

_logger = logging.getLogger(__name__)


class CommandHandlers:
    """Carry out commands on the engine's loop.

    Args:
        assembly: What the commands act on: breakers, faults, scenarios.
        status: Where traffic and manual prompt are found, and refusals recorded.
    """

    def __init__(self, assembly: Assembly, status: EngineStatus) -> None:
        self._registry = assembly.registry
        self._switches = assembly.switches
        self._player = assembly.player
        self._status = status
        self._handlers: Mapping[type[Command], Callable[[Any], None]] = {
            Ask: self._ask,
            ClearFaults: self._clear_faults,
            ConfigureBreaker: self._configure_breaker,
            DisableBreaker: self._disable_breaker,
            PlayScenario: self._play_scenario,
            ResetBreaker: self._reset_breaker,
            RunTraffic: self._run_traffic,
            SetFault: self._set_fault,
            SetRate: self._set_rate,
            StopAsking: self._stop_asking,
            TripBreaker: self._trip_breaker,
        }

    def handle(self, command: Command) -> None:
        """Carry out a command; log and record a refusal if its handler raises."""
        try:
            self._handlers[type(command)](command)
        except Exception as error:
            reason = str(error) or type(error).__name__
            expected = isinstance(error, InvalidInputError | LookupError)
            _logger.warning("refused: %s", reason, exc_info=not expected)
            self._status.add_refusal(reason)

    def _ask(self, command: Ask) -> None:
        if self._status.running is None:
            raise LookupError("nobody can be asked yet")
        self._check_target(self._status.running)
        if not self._status.running.target.model:
            raise LookupError("there is no model that generates text")
        self._status.running.manual_prompt.ask(command.prompt)

    def _stop_asking(self, _: StopAsking) -> None:
        if self._status.running is not None:
            self._status.running.manual_prompt.stop()

    def _set_fault(self, command: SetFault) -> None:
        self._switches.switch(command.name, active=command.active, setting=command.setting)

    def _clear_faults(self, _: ClearFaults) -> None:
        self._player.stop()

    def _play_scenario(self, command: PlayScenario) -> None:
        self._player.play(command.scenario)

    def _run_traffic(self, command: RunTraffic) -> None:
        traffic = self._traffic()
        if command.running and self._status.running is not None:
            self._check_target(self._status.running)
            traffic.start()
        else:
            traffic.stop()

    def _set_rate(self, command: SetRate) -> None:
        self._traffic().set_rate(command.rate)

    @staticmethod
    def _check_target(running: Running) -> None:
        """Raise `LookupError` if the target does not speak Ollama's API."""
        if not running.is_ollama:
            raise LookupError(running.target_problem)

    def _traffic(self) -> TrafficGenerator:
        if self._status.running is None:
            raise LookupError("there is no traffic yet")
        return self._status.running.traffic

    def _disable_breaker(self, command: DisableBreaker) -> None:
        self._registry.find(command.breaker).disable()

    def _trip_breaker(self, command: TripBreaker) -> None:
        self._registry.find(command.breaker).trip()

    def _reset_breaker(self, command: ResetBreaker) -> None:
        self._registry.find(command.breaker).reset()

    def _configure_breaker(self, command: ConfigureBreaker) -> None:
        breaker = self._registry.find(command.breaker)
        before = {number.name: number.value for number in tunables_of(breaker.settings)}
        try:
            breaker.configure(**with_tunables(breaker.settings, command.changes))
        except (TypeError, ValueError) as error:  # a number that the setting may not have
            raise InvalidInputError(str(error)) from error
        for name, value in command.changes.items():
            _logger.info(
                "%s: %s %s → %s",
                breaker.name,
                name,
                format_number(before[name]),
                format_number(value),
            )
