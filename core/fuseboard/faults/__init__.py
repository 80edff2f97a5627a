"""Breaking the wire between a client and its server."""

from fuseboard.faults.board import FaultBoard
from fuseboard.faults.catalogue import BY_NAME, CATALOGUE, Fault
from fuseboard.faults.proxy import FaultProxy

__all__ = ["BY_NAME", "CATALOGUE", "Fault", "FaultBoard", "FaultProxy"]
