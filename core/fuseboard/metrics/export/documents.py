"""The documents themselves, with the names that somebody's own metrics, target and file have.

The files beside this module are written for the defaults and valid as they
stand. Where another name is wanted, it takes the place of the default.
"""

from __future__ import annotations

import json
import re
from importlib import resources

from fuseboard.metrics.report import NAMESPACE, check_namespace

GRAFANA = "grafana.json"
"""A dashboard."""
ALERTS = "alerts.yml"
"""Alert rules."""
ALERT_TESTS = "alert_tests.yml"
"""The unit tests of the alert rules, for promtool."""
PROMETHEUS = "prometheus.yml"
"""A configuration for Prometheus."""

# What the files are written for, besides the namespace.
TARGET = "127.0.0.1:9464"
RULE_FILE = "alerts.yml"

# The namespace stands alone or before `_`; target and rule file stand in quotes.
_DEFAULTS = re.compile(
    rf'\b{NAMESPACE}(?=_|\b)|"(?:{re.escape(TARGET)}|{re.escape(RULE_FILE)})"', re.ASCII
)
_TARGET = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", re.ASCII)


def document(
    file: str, *, namespace: str = NAMESPACE, target: str = TARGET, rule_file: str = RULE_FILE
) -> str:
    """Read one of the files above, made out for these names.

    Args:
        file: Which one.
        namespace: What the names of the metrics begin with.
        target: Where Prometheus shall scrape, as `HOST:PORT`.
        rule_file: What the file with the alert rules is called.

    Raises:
        ValueError: If one of the names cannot be such a name.
    """
    split = _TARGET.fullmatch(target)
    if not split or not 1 <= int(split[2]) <= 65535:
        raise ValueError(f"{target!r} is not a target, as in {TARGET}")
    if not rule_file.strip():
        raise ValueError("the rule file has no name")
    wanted = {
        NAMESPACE: check_namespace(namespace),
        # A JSON string is a YAML string too, whatever is in it.
        f'"{TARGET}"': json.dumps(target),
        f'"{RULE_FILE}"': json.dumps(rule_file, ensure_ascii=False),
    }
    written = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return _DEFAULTS.sub(lambda default: wanted[default[0]], written)
