"""The other spellings of the actions' URLs (pure)."""

import re
from typing import NamedTuple

# after slashes were tidied: Atlas's own form, Azure DocumentDB's, that of MongoDB's Azure Functions sample, FerretDB's
_ACTION = re.compile(
    r"(?:(?:/app/(?P<app>[^/]+)/endpoint)?/data/(?P<version>[^/]+)|/api/mdb_dataapi)?/action/(?P<action>[A-Za-z]+)/?"
)


class Spelled(NamedTuple):
    """What a path names: an action, which there may be or not, and the app if it names one."""

    action: str
    app: str | None
    version: str


def spelled(path: str) -> Spelled | None:
    """Return what a path names, None if it is that of no action."""
    match = _ACTION.fullmatch(re.sub(r"/{2,}", "/", path))
    return match and Spelled(match["action"], match["app"], match["version"] or "v1")
