"""What `doctor` finds, and the deadline that every check has."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal, NamedTuple

from bson.errors import BSONError
from pymongo.errors import PyMongoError

from shared.errors import DataAPIError, for_operators
from shared.mongo.refusals import translated

type Level = Literal["ok", "warning", "problem"]


class Finding(NamedTuple):
    """What was looked at, how it is, and what to do about it; never a secret."""

    check: str
    level: Level
    sentence: str
    advice: str = ""


type Findings = AsyncIterator[Finding]


async def gathered(check: str, findings: Findings, seconds: float, advice: str) -> list[Finding]:
    """Return what a check finds in time; if it fails, that is a finding too, and no other check suffers."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(seconds):
            async for finding in findings:
                found.append(finding)  # noqa: PERF401  what was found before a failure counts
    except TimeoutError:
        found.append(Finding(check, "problem", f"no answer within {seconds:g} s", advice))
    except (PyMongoError, BSONError) as error:
        found.append(Finding(check, "problem", for_operators(translated(error)), advice))
    except (DataAPIError, OSError) as error:
        found.append(Finding(check, "problem", str(error) or type(error).__name__, advice))
    return found
