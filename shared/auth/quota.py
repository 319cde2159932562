"""How much a key may do in some time: so many calls, so many documents (pure)."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

type Noun = Literal["calls", "documents"]

NOUNS: tuple[Noun, ...] = get_args(Noun.__value__)

_UNITS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3_600, "hour": 3_600, "day": 86_400}
_NAMES = {1: "s", 60: "min", 3_600: "h", 86_400: "day"}
_LIMIT = re.compile(r"(calls|documents)=([0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE]\+?[0-9]{1,2})?)/([a-z]+)", re.ASCII)
_MOST = 10**12


class QuotaError(Exception):
    """A text says no quota; the message says what is wrong with it."""


class Limit(msgspec.Struct, frozen=True):
    """So many of something in each window of so many seconds, which begin at multiples of them since 1970."""

    noun: Noun
    most: int
    seconds: int

    @property
    def name(self) -> str:
        """What it is called beside the other limits of its key."""
        return f"{self.noun}/{_NAMES[self.seconds]}"

    def __str__(self) -> str:
        """Return it as `read` takes it."""
        return f"{self.noun}={self.most}/{_NAMES[self.seconds]}"


class Quota(msgspec.Struct, frozen=True):
    """The limits of a key, by the id of the key."""

    key_id: str
    limits: tuple[Limit, ...]


def read(text: str) -> tuple[Limit, ...]:
    """Return the limits that a text says, such as `calls=1000/min,documents=1e6/day`; raise QuotaError for none."""
    limits = [_limit(each.strip()) for each in text.split(",")]
    places = {(each.noun, each.seconds) for each in limits}
    if len(places) < len(limits):
        raise QuotaError(f"{text!r} limits the same twice")
    return tuple(limits)


def stored(limits: Iterable[Limit]) -> list[dict[str, Any]]:
    """Return what is stored of limits."""
    return [msgspec.to_builtins(each) for each in limits]


def of_key(key: Mapping[str, Any]) -> Quota | None:
    """Return the quota of a key, of what is stored of it; None for a key without one."""
    limits = key.get("quota")
    return Quota(str(key["_id"]), msgspec.convert(limits, tuple[Limit, ...])) if limits else None


def shown(limits: Iterable[Limit]) -> str:
    """Return limits as `read` takes them."""
    return ",".join(map(str, limits))


def _limit(text: str) -> Limit:
    match = _LIMIT.fullmatch(text)
    if match is None or match[3] not in _UNITS:
        raise QuotaError(f"{text!r} is no limit such as calls=1000/min or documents=1e6/day (s, min, h, day)")
    most = Decimal(match[2])
    if most != int(most) or not 1 <= most <= _MOST:
        raise QuotaError(f"{text!r}: a limit is a whole number from 1 to {_MOST:,}")
    noun: Noun = "calls" if match[1] == "calls" else "documents"
    return Limit(noun, int(most), _UNITS[match[3]])
