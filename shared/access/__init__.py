"""What a caller may do to a collection, done: all that MongoDB allows, or what the rules of the app let through."""

from collections.abc import Mapping
from typing import Any

from shared import app, mongo
from shared.access.cached import CachedAccess, Watched
from shared.access.full import FullAccess
from shared.access.reading import Reading
from shared.access.ruled import RuledAccess
from shared.auth import Caller
from shared.errors import NoRuleError, UnknownDataSourceError
from shared.replies import Format
from shared.requests import Request
from shared.settings import Settings

type Access = FullAccess | RuledAccess | CachedAccess

__all__ = ["Access", "Reading", "access"]


def access(given: Settings, caller: Caller, request: Request, shown: Mapping[str, Any], form: Format) -> Access:
    """Return what this caller may do to the collection that a request names; `shown` is what `%%request` shows.

    Raise NoRuleError if no rule opens the collection to anybody.
    """
    if given.cached and f"{request.database}.{request.collection}" in given.cached:
        watched = Watched(shown)
        return CachedAccess(_access(given, caller, request, watched, form), given, caller, request, watched)
    return _access(given, caller, request, shown, form)


def _access(
    given: Settings, caller: Caller, request: Request, shown: Mapping[str, Any], form: Format
) -> FullAccess | RuledAccess:
    target = mongo.collection(request.data_source, request.database, request.collection)
    full = FullAccess(target, given, form)
    if caller.is_system:
        return full
    known = app.current()
    service = None if known is None else known.service(request.data_source)
    if known is not None and service is None:
        raise UnknownDataSourceError(f"service not found: '{request.data_source[:100]}'")
    rules = None if service is None else service.ruleset(request.database, request.collection)
    if service is None or rules is None:
        raise NoRuleError(f"no rule exists for namespace '{request.database}.{request.collection}'")
    bound = rules.access(caller.user, shown)
    schema = service.schema(request.database, request.collection)
    if bound.is_full and schema is None:
        return full
    return RuledAccess(full, bound, schema)
