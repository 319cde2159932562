"""What a call asks of the servers that read and write for it: never less than the operator asks."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from bson.int64 import Int64
from pymongo.errors import ConfigurationError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import make_read_preference, read_pref_mode_from_name
from pymongo.write_concern import WriteConcern

from shared.errors import InvalidParameterError
from shared.mongo.clients import Collection
from shared.mongo.deadlines import is_current
from shared.options import Options

_OF_ALL = frozenset({"readConcern", "readPreference", "writeConcern"})  # a transaction has one for all
_LEVELS = ("available", "local", "majority", "snapshot", "linearizable")  # from the least
_MODES = frozenset({"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"})
_OF_PREFERENCE = frozenset({"mode", "tags", "tagSets", "maxStalenessSeconds"})
_LONGEST = 2**31 - 1
_OF_WRITE = {"w": "w", "j": "j", "journal": "j", "wtimeout": "wtimeout", "wtimeoutMS": "wtimeout"}


def applied(target: Collection, options: Options) -> Collection:
    """Return the collection as the options of a call have it read and written.

    Raise InvalidParameterError for what they cannot mean.
    """
    given, found = options.given, {}
    if is_current() and not given.keys().isdisjoint(_OF_ALL):
        raise InvalidParameterError(f"{', '.join(sorted(_OF_ALL))} are no options of what is part of a transaction")
    if "readPreference" in given:
        heartbeat = target.database.client.options.heartbeat_frequency
        found["read_preference"] = _read_preference(given["readPreference"], heartbeat)
    if "readConcern" in given:
        found["read_concern"] = _read_concern(given["readConcern"], target.read_concern)
    if "writeConcern" in given:
        found["write_concern"] = _write_concern(given["writeConcern"], target.write_concern)
    return target.with_options(**found) if found else target


def _read_preference(given: str | Mapping[str, Any], heartbeat: float) -> Any:
    members: Mapping[str, Any] = {"mode": given} if isinstance(given, str) else given
    mode, tags = members.get("mode"), members.get("tagSets", members.get("tags"))
    if type(mode) is not str or mode not in _MODES or not _OF_PREFERENCE.issuperset(members):
        raise InvalidParameterError(f"'readPreference' must have a mode of {', '.join(sorted(_MODES))}")
    staleness, least = _whole(members.get("maxStalenessSeconds", -1)), max(90, ceil(heartbeat) + 10)
    if type(staleness) is not int or not (staleness == -1 or least <= staleness <= _LONGEST):
        raise InvalidParameterError(f"'readPreference': maxStalenessSeconds must be a whole number of at least {least}")
    try:
        return make_read_preference(read_pref_mode_from_name(mode), tags, staleness)
    except (ConfigurationError, TypeError, ValueError) as error:
        raise InvalidParameterError(f"'readPreference': {error!s:.200}") from error


def _read_concern(given: Mapping[str, Any], least: ReadConcern) -> ReadConcern:
    level = given.get("level")
    if given.keys() != {"level"} or level not in _LEVELS:
        raise InvalidParameterError(f"'readConcern' must be a level of {', '.join(_LEVELS)}")
    floor = least.level if least.level in _LEVELS else "available"
    return ReadConcern(max(level, floor, key=_LEVELS.index))


def _write_concern(given: Mapping[str, Any], least: WriteConcern) -> WriteConcern:
    """Return one that is acknowledged by as many members as either wants."""
    members = {_OF_WRITE.get(name, name): value for name, value in given.items()}
    if not {"w", "j", "wtimeout"}.issuperset(members):
        raise InvalidParameterError("'writeConcern' takes w, j and wtimeout")
    journal, timeout = members.get("j", False), _whole(members.get("wtimeout", 0))
    if type(journal) is not bool or type(timeout) is not int or timeout < 0:
        raise InvalidParameterError("'writeConcern': j must be true or false, wtimeout a whole number of at least 0")
    document = least.document
    wtimeout = min(timeout or _LONGEST, document.get("wtimeout") or _LONGEST)
    return WriteConcern(
        w=_members(_whole(members.get("w")), document.get("w", 1)),
        j=journal or document.get("j"),
        wtimeout=None if wtimeout == _LONGEST else wtimeout,
    )


def _members(given: Any, least: int | str) -> int | str:
    """Return how many members acknowledge a write; raise where it cannot be told which of both is more."""
    if given is None or given == least or (type(given) is int and given in {0, 1}):
        return least
    if type(given) not in {int, str} or (type(given) is int and not 0 <= given <= _LONGEST):
        raise InvalidParameterError("'writeConcern': w must be a number of members or a text")
    if type(given) is type(least) is int:
        return max(given, least)
    if least in {0, 1}:
        return given  # type: ignore[no-any-return]
    raise InvalidParameterError(f"'writeConcern': w must be '{least}', as the operator of this deployment wants")


def _whole(number: Any) -> Any:
    """Return a whole number as one of Python's own, which a caller may have written as 5, 5.0 or a long."""
    is_whole = type(number) is Int64 or (type(number) is float and number.is_integer())
    return int(number) if is_whole else number
