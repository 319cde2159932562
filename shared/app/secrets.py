"""The values of secrets, which no export holds."""

from collections.abc import Mapping

from shared.rules.report import Report
from shared.settings import folded


def secret(name: str, secrets: Mapping[str, str], report: Report) -> str:
    """Return a secret's value; without one it is a problem that names the variable to set."""
    value = secrets.get(folded(name))
    if value is None:
        report.problem(f"the secret '{name}' has no value: set APP_SECRET_{folded(name).upper()}")
        return ""
    return value
