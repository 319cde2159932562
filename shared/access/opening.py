"""What a caller may do to a collection, done: all that MongoDB allows, or what the rules of the app let through."""

from collections.abc import Mapping
from typing import Any

from shared import app
from shared.access.cached import CachedAccess, Watched
from shared.access.full import FullAccess
from shared.access.ruled import RuledAccess
from shared.app import Service
from shared.auth import Caller
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.errors import NoRoleError, NoRuleError, UnknownDataSourceError
from shared.guard.joins import joined
from shared.mongo import clients as mongo
from shared.mongo.reads import Reading
from shared.requests import Request
from shared.rules.expressions import Expansions
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
    if caller.is_system:
        return FullAccess(target, given, form, None)
    service = _service(given, request.data_source)
    rules = None if service is None else service.ruleset(request.database, request.collection)
    if service is None or rules is None:
        raise NoRuleError(f"no rule exists for namespace '{request.database}.{request.collection}'")

    expansions = Expansions(caller.user, shown)

    def refuse_joins(pipeline: list[Document]) -> None:
        for database, name in joined(pipeline, request.database):
            other = service.ruleset(database, name)
            if other is None or not other.rights(expansions).is_full:
                raise NoRoleError("a stage reads another collection that rules do not open to you as a whole").because(
                    f"the stage reads '{database}.{name}'"
                )

    bound = rules.rights(expansions)
    schema = service.schema(request.database, request.collection)
    full = FullAccess(target, given, form, refuse_joins)
    if bound.is_full and schema is None:
        return full
    return RuledAccess(full, bound, schema, expansions)


def _service(given: Settings, data_source: str) -> Service | None:
    """Return the app's data source of this name, None without an app; raise UnknownDataSourceError for another's."""
    known = app.current()
    if known is None:
        return None
    service = known.service(data_source, is_only=len(given.data_sources) == 1)
    if service is None:
        raise UnknownDataSourceError(f"service not found: '{data_source[:100]}'")
    return service
