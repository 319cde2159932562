"""The exported App Services app of a deployment: read and compiled once, at first use, and frozen."""

from functools import cache
from pathlib import Path

from shared import settings
from shared.app.findings import AppError, FileFinding
from shared.app.model import App, CustomToken, CustomUserData, DataAPI, EmailPassword, Providers, Service
from shared.app.reading import load

__all__ = [
    "App", "AppError", "CustomToken", "CustomUserData", "DataAPI", "EmailPassword", "FileFinding", "Providers",
    "Service", "current", "forget", "load",
]  # fmt: skip


def current() -> App | None:
    """Return the app in APP_CONFIG_DIR, None if that is not set; raise AppError if there is a mistake in it."""
    loaded = _loaded()
    if isinstance(loaded, AppError):
        raise loaded
    return loaded


@cache
def _loaded() -> App | AppError | None:
    given = settings.current()
    if not given.app_config_dir:
        return None
    try:
        return load(Path(given.app_config_dir), settings.app_secrets(), frozenset(given.data_sources))
    except AppError as error:
        return error


def forget() -> None:
    """Read the app again at the next use."""
    _loaded.cache_clear()
