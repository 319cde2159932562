"""The settings of a local run: the environment, then `.env`."""

import os
from pathlib import Path

from dotenv import dotenv_values


def read_environment(dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the environment and the settings in `.env`; the environment wins."""
    written = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    return written | dict(os.environ)


def brings_database(environ: dict[str, str]) -> bool:
    """Tell whether the user named a database; an empty value counts as not set."""
    return bool(_naming(environ))


def brought(environ: dict[str, str]) -> str:
    """Say which setting names the database, and where it stands."""
    name = _naming(environ)[0]
    return f"{name} of {'the environment' if os.environ.get(name) == environ[name] else '.env'}"


def _naming(environ: dict[str, str]) -> list[str]:
    """Return the settings that name databases, that of the control database first."""
    named = sorted(name for name, value in environ.items() if value.strip() and name.startswith("MONGO_DB_URI__"))
    return [name for name in ("MONGO_DB_URI", "MONGO_DB_HOST") if environ.get(name, "").strip()] + named
