"""What Prometheus and Grafana need to watch breakers, as files that ship with the package."""

from fuseboard.export.documents import (
    ALERT_TESTS,
    ALERTS,
    GRAFANA,
    PROMETHEUS,
    RULE_FILE,
    TARGET,
    document,
)

__all__ = [
    "ALERTS",
    "ALERT_TESTS",
    "GRAFANA",
    "PROMETHEUS",
    "RULE_FILE",
    "TARGET",
    "document",
]
