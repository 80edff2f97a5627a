"""A faithful Ollama API over HTTP, for machines that have no Ollama."""

from fuseboard.simulator.app import simulator_app
from fuseboard.simulator.settings import SimulatorSettings

__all__ = ["SimulatorSettings", "simulator_app"]
