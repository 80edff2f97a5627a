"""The exported files, with the user's namespace, target and rule file in place of the defaults.

The files beside this module contain the defaults and are valid as they are.
"""

from __future__ import annotations

import json
import re
from importlib import resources

from fuseboard.invalid_input import InvalidInputError
from fuseboard.metrics.namespace import NAMESPACE, check_namespace

GRAFANA = "grafana.json"
"""A Grafana dashboard."""
ALERTS = "alerts.yml"
"""Alert rules."""
ALERT_TESTS = "alert_tests.yml"
"""The unit tests of the alert rules, for promtool."""
PROMETHEUS = "prometheus.yml"
"""A configuration of Prometheus."""

# The defaults in the files, besides the namespace.
TARGET = "127.0.0.1:9464"
RULE_FILE = "alerts.yml"

# The namespace is a word or followed by `_`; target and rule file are in quotes.
_DEFAULTS = re.compile(
    rf'\b{NAMESPACE}(?=_|\b)|"(?:{re.escape(TARGET)}|{re.escape(RULE_FILE)})"', re.ASCII
)
_TARGET = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", re.ASCII)


def document(
    file: str, *, namespace: str = NAMESPACE, target: str = TARGET, rule_file: str = RULE_FILE
) -> str:
    """Return the text of an exported file.

    Args:
        file: One of the names above.
        namespace: Prefix of every metric name.
        target: What Prometheus scrapes, as `HOST:PORT`.
        rule_file: Name of the file with the alert rules.

    Raises:
        ValueError: If namespace, target or rule file is invalid.
    """
    match = _TARGET.fullmatch(target)
    if not match or not 1 <= int(match[2]) <= 65535:
        raise InvalidInputError(f"{target!r} is not a target, as in {TARGET}")
    if not rule_file.strip():
        raise InvalidInputError("the rule file has no name")
    replacements = {
        NAMESPACE: check_namespace(namespace),
        # A JSON string is a YAML string too, whatever is in it.
        f'"{TARGET}"': json.dumps(target),
        f'"{RULE_FILE}"': json.dumps(rule_file, ensure_ascii=False),
    }
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return _DEFAULTS.sub(lambda default: replacements[default[0]], text)
