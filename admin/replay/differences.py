"""What differs between two replies, in words (pure)."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

_WRAPPED = frozenset(
    {"$oid", "$date", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$binary", "$uuid",
     "$timestamp", "$regularExpression", "$minKey", "$maxKey", "$code", "$symbol", "$undefined", "$dbPointer"}
)  # fmt: skip
_NEW_IDS = frozenset({"insertedId", "insertedIds", "upsertedId", "upsertedIds"})
_PASSING = frozenset({"link", "cursor", "access_token", "refresh_token"})
_HEX = re.compile(r"[0-9a-f]{24}")
_NOW = timedelta(minutes=5)
_SHOWN = 60
_NAMES = {bool: "boolean", int: "int", float: "double", str: "string", list: "array", type(None): "null"}


class Difference(NamedTuple):
    """What differs at a path; of a volatile one two replies to one call would differ, too."""

    path: str
    kind: str
    sentence: str
    is_volatile: bool = False


class Known:
    """Which ids of the recording are which here, and when the call was recorded."""

    def __init__(self) -> None:
        """Know none."""
        self.ids: dict[str, str] = {}
        self.at: datetime | None = None

    def translated(self, text: str) -> str:
        """Return a text with the ids of the recording as they are here."""
        return _HEX.sub(lambda match: self.ids.get(match[0], match[0]), text) if self.ids else text


def compared(recorded: Any, now: Any, known: Known, path: str = "") -> Iterator[Difference]:
    """Yield what differs; two values of JSON, whose numbers are int or float."""
    of_recorded, of_now = type_of(recorded), type_of(now)
    if of_recorded != of_now:
        sentence = f"recorded {_worded(of_recorded, recorded)}, now {_worded(of_now, now)}"
        yield Difference(path, "type", sentence)
    elif of_recorded == "object":
        yield from _objects(recorded, now, known, path)
    elif of_recorded == "array":
        yield from _arrays(recorded, now, known, path)
    elif _differ(recorded, now, known):
        yield _other_value(recorded, now, known, path)


def type_of(value: Any) -> str:
    """Return the type of a value, such as int or $numberLong; of a date the form it is written in."""
    if isinstance(value, Mapping):
        name = next(iter(value), "")
        if len(value) == 1 and name in _WRAPPED:
            return "$date of $numberLong" if name == "$date" and isinstance(value[name], Mapping) else str(name)
        return "object"
    return _NAMES[type(value)]


def _worded(kind: str, value: Any) -> str:
    return kind if kind in {"object", "array", "null"} else f"{kind} {_short(value)}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _objects(recorded: dict[str, Any], now: dict[str, Any], known: Known, path: str) -> Iterator[Difference]:
    for name, value in recorded.items():
        inner = f"{path}.{name}" if path else name
        if name not in now:
            yield Difference(inner, "missing", "recorded, and missing now", name in _PASSING)
        elif name in _PASSING:
            if value != now[name]:
                yield Difference(inner, "value", "another one for each reply", True)
        elif name in _NEW_IDS:
            yield from _new_ids(value, now[name], known, inner)
        else:
            yield from compared(value, now[name], known, inner)
    for name in now:
        if name not in recorded:
            yield Difference(f"{path}.{name}" if path else name, "added", "not recorded, and there now")
    both = [name for name in recorded if name in now], [name for name in now if name in recorded]
    if both[0] != both[1]:
        yield Difference(path, "order", f"members were in the order {_list(both[0])}, now {_list(both[1])}")


def _list(names: list[str]) -> str:
    text = ", ".join(names[:6])
    return text if len(names) <= 6 else f"{text}, …"


def _new_ids(recorded: Any, now: Any, known: Known, path: str) -> Iterator[Difference]:
    """Ids that MongoDB's drivers make are others each time; which is which is remembered for what follows."""
    pairs = list(zip(_ids_in(recorded), _ids_in(now), strict=False))
    known.ids.update(pair for pair in pairs if pair[0] != pair[1])
    if pairs and pairs[0][0] != pairs[0][1]:
        yield Difference(path, "value", "a new ObjectId, as each time", True)
    yield from compared(recorded, now, known, path)


def _ids_in(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        text = each.get("$oid") if isinstance(each, dict) else each
        if isinstance(text, str) and _HEX.fullmatch(text):
            yield text


def _arrays(recorded: list[Any], now: list[Any], known: Known, path: str) -> Iterator[Difference]:
    before, after = _keys(recorded, known), _keys(now, Known())
    if len(recorded) != len(now):
        yield Difference(path, "length", f"recorded {len(recorded)}, now {len(now)}")
    elif before != after and sorted(before) == sorted(after):
        yield Difference(path, "order", "the same, in another order; without a sort none is promised")
        return
    yield from _inside(recorded, now, known, path)


def _inside(recorded: list[Any], now: list[Any], known: Known, path: str) -> Iterator[Difference]:
    for index, (one, other) in enumerate(zip(recorded, now, strict=False)):
        yield from compared(one, other, known, f"{path}[{index}]")


def _keys(values: list[Any], known: Known) -> list[str]:
    return [known.translated(repr(each)) for each in values]


def _differ(recorded: Any, now: Any, known: Known) -> bool:
    expected = known.translated(repr(recorded))
    return expected != repr(now)


def _other_value(recorded: Any, now: Any, known: Known, path: str) -> Difference:
    kind = type_of(recorded)
    if kind.startswith("$date") and _is_now(recorded, known.at) and _is_now(now, datetime.now(UTC)):
        return Difference(path, "value", "the time of the call", True)
    return Difference(path, "value", f"recorded {_worded(kind, recorded)}, now {_worded(kind, now)}")


def _is_now(value: Mapping[str, Any], at: datetime | None) -> bool:
    inner = value["$date"]
    try:
        if isinstance(inner, Mapping):
            moment = datetime.fromtimestamp(int(inner["$numberLong"]) / 1000, UTC)
        else:
            moment = datetime.fromisoformat(inner)
        return at is not None and abs(moment - at) <= _NOW
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return False
