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
    named = {name for name, value in environ.items() if value.strip()}
    return any(name in {"MONGO_DB_URI", "MONGO_DB_HOST"} or name.startswith("MONGO_DB_URI__") for name in named)
