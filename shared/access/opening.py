"""Which access a caller has to the collection that a request names: full or ruled, cached or not."""

from collections.abc import Mapping
from typing import Any, Protocol

from shared.access.cached import CachedAccess, CacheScope, Caching, WatchedRequest
from shared.access.full import FullAccess
from shared.access.protocol import Access
from shared.access.ruled_reads import RuledReads
from shared.access.ruled_writes import RuledWrites
from shared.app.model import App, DataSource
from shared.auth.accounts import Caller
from shared.cache.generations import Generations
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.errors import NoRoleError, NoRuleError, UnknownDataSourceError
from shared.guard.joins import joined
from shared.mongo.clients import Clients
from shared.requests import Request
from shared.rules.expressions import Expansions
from shared.settings import Settings


class Deployment(Protocol):
    """What collections are opened with: the part of shared.service.Service that this takes."""

    settings: Settings
    clients: Clients
    generations: Generations

    @property
    def app(self) -> App | None:
        """The exported app, None without one."""


class RuledAccess(RuledReads, RuledWrites):
    """One collection as the rules open it to one call: nothing hidden is read, nothing denied is written."""


def open_access(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], form: Format
) -> Access:
    """Return what this caller may do to the collection that a request names; `request_view` is `%%request`.

    Raise NoRuleError if no rule opens the collection to anybody.
    """
    if f"{request.database}.{request.collection}" not in deployment.settings.cached:
        return _uncached(deployment, request, caller, request_view, form)[0]
    watched = WatchedRequest(request_view)
    inner, full = _uncached(deployment, request, caller, watched, form)
    app = deployment.app
    scope = CacheScope(None, None) if inner is full or app is None else CacheScope(caller.user, app.fingerprint)
    return CachedAccess(inner, full, request, scope, watched, Caching(deployment.generations, deployment.clients))


def _uncached(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], form: Format
) -> tuple[Access, FullAccess]:
    """Return the access that counts, and the full access beneath it: the same one if no rule binds the caller."""
    access: Access  # what lacks a method of it is named by mypy where it is assigned
    target = deployment.clients.collection(request.data_source, request.database, request.collection)
    if caller.is_system:
        access = full = FullAccess(target, deployment.settings, form)
        return access, full
    source = _data_source(deployment.app, request, is_only=len(deployment.settings.data_sources) == 1)
    rules = None if source is None else source.ruleset(request.database, request.collection)
    if source is None or rules is None:
        raise NoRuleError(f"no rule exists for namespace '{request.database}.{request.collection}'")
    expansions = Expansions(caller.user, request_view)

    def refuse_joins(pipeline: list[Document]) -> None:
        for database, name in joined(pipeline, request.database):
            other = source.ruleset(database, name)
            if other is None or not other.rights(expansions).hides_nothing:
                raise NoRoleError("a stage reads another collection that rules do not open to you as a whole").because(
                    f"the stage reads '{database}.{name}'"
                )

    access = full = FullAccess(target, deployment.settings, form, refuse_joins)
    rights = rules.rights(expansions)
    schema = source.schema(request.database, request.collection)
    if not rights.is_full or schema is not None:
        access = RuledAccess(full, rights, schema, expansions, deployment.clients.collation)
    return access, full


def _data_source(app: App | None, request: Request, *, is_only: bool) -> DataSource | None:
    """Return the app's data source of this name, None without an app; raise UnknownDataSourceError for another's."""
    if app is None:
        return None
    source = app.data_source(request.data_source, is_only=is_only)
    if source is None:
        raise UnknownDataSourceError(f"service not found: '{request.data_source[:100]}'")
    return source
