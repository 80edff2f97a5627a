"""Breaking the wire between a client and its server."""

from fuseboard.faults.board import FaultBoard
from fuseboard.faults.catalogue import BY_NAME, CATALOGUE, Fault, fault_named
from fuseboard.faults.proxy import FaultProxy
from fuseboard.faults.scenario import Scenario, find_scenario
from fuseboard.faults.scenario_player import ScenarioPlayer
from fuseboard.faults.spelling import read_fault, spell_fault

__all__ = [
    "BY_NAME",
    "CATALOGUE",
    "Fault",
    "FaultBoard",
    "FaultProxy",
    "Scenario",
    "ScenarioPlayer",
    "fault_named",
    "find_scenario",
    "read_fault",
    "spell_fault",
]
