"""The environment of this process, which is read here alone."""

import os
from collections.abc import Mapping

from shared.settings import (
    NAMES,
    SECRET_PREFIX,
    TELEMETRY_PREFIX,
    URI_PREFIX,
    Settings,
    SettingsError,
    converted,
    folded,
    refuse_unresolved_references,
)


def read() -> Settings:
    """Return the settings in the environment as it is now."""
    return Settings.from_environ(os.environ)


def named() -> list[str]:
    """Return the names of the settings that the environment sets, never their values."""
    prefixes = (URI_PREFIX, SECRET_PREFIX)
    return sorted(name for name, value in os.environ.items() if value and (name in NAMES or name.startswith(prefixes)))


def role() -> str:
    """Return the name under which this deployment reports: what the platform calls it."""
    return os.environ.get("WEBSITE_SITE_NAME") or os.environ.get("CONTAINER_APP_NAME") or "dozen"


def prepare_exporters() -> None:
    """Set what the exporters of telemetry read themselves: reports about them are off unless asked for.

    They refuse a connection string that ends in a semicolon, even where another one is given to them.
    """
    switches = ("STATSBEAT_DISABLED_ALL", "SDKSTATS_DISABLED", "CONTROLPLANE_DISABLED")
    for name in (*switches, "OPENTELEMETRY_RESOURCE_METRIC_DISABLED"):
        os.environ.setdefault(TELEMETRY_PREFIX + name, "true")
    name = TELEMETRY_PREFIX + "CONNECTION_STRING"
    if connection := os.environ.get(name):
        os.environ[name] = connection.strip().rstrip(";")


def app_secrets(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the values of the exported app's secrets by their folded names, from APP_SECRET_<NAME>."""
    variables = os.environ if environ is None else environ
    return {
        folded(name.removeprefix(SECRET_PREFIX)): value
        for name, value in variables.items()
        if name.startswith(SECRET_PREFIX) and value
    }


def listen_address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return LISTEN_HOST and LISTEN_PORT, which the server needs even to say that another setting is wrong."""
    settings = _some(environ, "LISTEN_HOST", "LISTEN_PORT")
    return settings.listen_host, settings.listen_port


def health_port(environ: Mapping[str, str]) -> int | None:
    """Return HEALTH_PORT, which the server needs whatever the other settings are."""
    return _some(environ, "HEALTH_PORT").health_port


def process_count(environ: Mapping[str, str]) -> int:
    """Return WEB_CONCURRENCY, which the server needs whatever the other settings are."""
    return _some(environ, "WEB_CONCURRENCY").web_concurrency


def has_timer() -> bool:
    """Tell whether Azure's host is asked to keep the time of schedules: its timers need a storage account."""
    try:
        found = _some(os.environ, "SCHEDULES_BY_TIMER", "FUNCTIONS_WORKER_RUNTIME")
    except SettingsError:  # which the start of the process says
        return False
    return bool(found.functions_worker_runtime) and found.schedules_by_timer == "on"


def _some(environ: Mapping[str, str], *names: str) -> Settings:
    values = {name: environ[name] for name in names if environ.get(name, "").strip()}
    refuse_unresolved_references(values)
    return converted(values, Settings)
