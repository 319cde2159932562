"""What is reported of a request or a command, and the trace that it belongs to: W3C's, whoever started it."""

import re
from collections.abc import Mapping
from random import getrandbits
from typing import NamedTuple

# only version 00 is defined; a later one begins with the same members
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class Span(NamedTuple):
    """Something that was done: names as in OpenTelemetry's semantic conventions, `started` since the epoch."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    started: float  # seconds
    seconds: float
    succeeded: bool
    attributes: Mapping[str, str | int]


def trace_of(parent: str | None) -> tuple[str, str | None, bool]:
    """Return the ids of the trace and of the parent that a traceparent names, and whether it is sampled.

    If there is none, or it is nonsense, a new trace begins.
    """
    match = _PARENT.fullmatch(parent) if parent else None
    if match is None:
        return f"{getrandbits(128):032x}", None, True
    return match[1], match[2], int(match[3], 16) & 1 == 1


def new_span_id() -> str:
    """Return a random span id."""
    return f"{getrandbits(64):016x}"
