"""Which access a caller has to the collection that a request names: full or ruled, cached or not."""

from collections.abc import Mapping
from typing import Any, Protocol

from shared.access.cached import CachedAccess, CacheScope, Caching, WatchedRequest
from shared.access.full import FullAccess
from shared.access.joins import Joins
from shared.access.protocol import Access, Wanted
from shared.access.ruled_find_and_modify import RuledFindAndModify
from shared.access.ruled_first import RuledFirst
from shared.access.ruled_values import RuledValues
from shared.app.model import App, DataSource, Endpoint, Function
from shared.auth.accounts import Caller
from shared.auth.seals import Seals
from shared.cache.generations import Generations
from shared.documents.transcoder import Transcoder
from shared.errors import (
    FunctionRefusedError,
    InvalidParameterError,
    NoRuleError,
    NotCallableError,
    UnknownDataSourceError,
)
from shared.guard.refusals import Guard
from shared.mongo import concerns
from shared.mongo.clients import DATABASE, Clients
from shared.mongo.deadlines import is_current, joining, within
from shared.operators import Standing
from shared.requests import Request
from shared.rules.expressions import Expansions, holds
from shared.rules.ruleset import Rights, Ruleset, could_see
from shared.settings import Settings


class Deployment(Protocol):
    """What collections are opened with: the part of shared.service.Service that this takes."""

    settings: Settings
    clients: Clients
    generations: Generations
    guard: Guard
    seals: Seals
    transcoder: Transcoder

    @property
    def app(self) -> App | None:
        """The exported app, None without one."""


class RuledAccess(RuledFirst, RuledValues, RuledFindAndModify):
    """One collection as the rules open it to one call: nothing hidden is read, nothing denied is written."""


class Rules:
    """The rules of a data source as they count for one call."""

    __slots__ = ("_known", "_opened", "expansions", "source")

    def __init__(
        self, source: DataSource, expansions: Expansions, known: dict[int, Rights | None] | None = None
    ) -> None:
        """Take the rules, and what expansions mean.

        `known` is what is already known of rulesets that do not ask for the action, in calls that differ in it alone.
        """
        self.source = source
        self.expansions = expansions
        self._known = {} if known is None else known
        self._opened: dict[int, bool] = {}  # of rulesets, which many collections may share

    def rights(self, database: str, collection: str) -> Rights | None:
        """Return what the rules of a collection come to, None if there are none, so that nobody may touch it."""
        return self._rights(self.source.ruleset(database, collection))

    def ask_functions(self, database: str, collection: str) -> bool:
        """Tell whether the rules of a collection ask functions of the app."""
        ruleset = self.source.ruleset(database, collection)
        return ruleset is not None and ruleset.asks_functions

    def opens(self, database: str, collection: str) -> bool:
        """Tell whether the caller could see a document of a collection."""
        ruleset = self.source.ruleset(database, collection)
        if id(ruleset) not in self._opened:
            self._opened[id(ruleset)] = self._opens(ruleset)
        return self._opened[id(ruleset)]

    def opens_database(self, database: str) -> bool | None:
        """Tell whether the caller could see a document of a database; None if that depends on its collections."""
        others = self.opens_default()
        has_own = any(each == database for each, _ in self.source.rules)
        return None if has_own else others

    def opens_default(self) -> bool:
        """Tell whether the caller could see a document of a collection without rules of its own."""
        return self._opens(self.source.default)

    def usable(self, database: str, collection: str) -> Rights | None:
        """Return what the rules of a collection come to, None where each call of it is refused."""
        return self._usable(self.source.ruleset(database, collection))

    def usable_default(self) -> Rights | None:
        """Return the same of a collection without rules of its own."""
        return self._usable(self.source.default)

    def _opens(self, ruleset: Ruleset | None) -> bool:
        rights = self._usable(ruleset)
        return rights is not None and could_see(rights)

    def _usable(self, ruleset: Ruleset | None) -> Rights | None:
        if ruleset is None or ruleset.asks_action:
            return self._judged(ruleset)
        if id(ruleset) not in self._known:
            self._known[id(ruleset)] = self._judged(ruleset)
        return self._known[id(ruleset)]

    def _judged(self, ruleset: Ruleset | None) -> Rights | None:
        try:
            return self._rights(ruleset)
        except InvalidParameterError:  # its filters contradict each other
            return None

    def _rights(self, ruleset: Ruleset | None) -> Rights | None:
        return None if ruleset is None else ruleset.rights(self.expansions)


def open_access(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> Access:
    """Return what this caller may do to the collection that a request names; `request_view` is `%%request`.

    A transaction is not answered from the cache, which knows nothing of what it has written.
    Raise NoRuleError if no rule opens the collection to anybody, UnansweredError if a function has to answer first.
    """
    cached, written = deployment.settings.cached, request.written
    is_written = written is not None and ".".join(written) in cached
    if is_current() or not (is_written or f"{request.database}.{request.collection}" in cached):
        return open_uncached(deployment, request, caller, request_view, wanted)
    watched = WatchedRequest(request_view)
    inner, full = _uncached(deployment, request, caller, watched, wanted)
    app = deployment.app
    scope = CacheScope(None, None) if inner is full or app is None else CacheScope(caller.user, app.fingerprint)
    return CachedAccess(inner, full, request, scope, watched, Caching(deployment.generations, deployment.clients))


def open_uncached(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> Access:
    """Return the same, where whoever writes invalidates what is cached."""
    return _uncached(deployment, request, caller, request_view, wanted)[0]


def open_full(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> tuple[FullAccess, RuledAccess | None]:
    """Return the access that no rule binds, and the bound one of a caller to whom something is hidden or denied."""
    access, full = _uncached(deployment, request, caller, request_view, wanted)
    return full, access if isinstance(access, RuledAccess) else None


def rules_of(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> Rules | None:
    """Return the rules that bind a caller, None for a system caller; raise NoRuleError where there is no app."""
    if caller.is_system:
        return None
    source = _data_source(deployment.app, request, is_only=len(deployment.settings.data_sources) == 1)
    if source is None:
        raise _no_rule(request)
    return Rules(source, Expansions(caller.user, request_view, wanted.answers))


def _uncached(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> tuple[Access, FullAccess]:
    """Return the access that counts, and the full access beneath it: the same one if no rule binds the caller."""
    access: Access  # what lacks a method of it is named by mypy where it is assigned
    options, settings = request.options, deployment.settings
    name = DATABASE if request.of_database and not request.collection else request.collection
    target = joining(deployment.clients.collection(request.data_source, request.database, name))
    if options:
        target, settings = concerns.applied(target, options), within(settings, options)
    if not caller.is_system and name is DATABASE:  # rules are of collections
        raise NoRuleError(f"no rule exists for database '{request.database}'")
    rules = rules_of(deployment, request, caller, request_view, wanted)
    if rules is None:
        access = full = FullAccess(target, settings, wanted, deployment.transcoder.writer, options)
        return access, full
    rights = rules.rights(request.database, request.collection)
    if rights is None:
        raise _no_rule(request)

    async def are_simple(*others: tuple[str, str]) -> bool:
        collections = [deployment.clients.collection(request.data_source, *each) for each in others]
        options = [await deployment.clients.options(each) for each in [target, *collections]]
        return all(each is not None and each.is_simple for each in options)

    joins = Joins(request.database, rules.rights, are_simple)
    access = full = FullAccess(target, settings, wanted, deployment.transcoder.writer, options, joins)
    if options and not rights.hides_nothing:
        options.refuse_closed(Standing.RULED)
    schema = rules.source.schema(request.database, request.collection)
    if not rights.is_full or schema is not None:
        access = RuledAccess(full, rights, schema, rules.expansions, deployment.clients.options)
    return access, full


def is_callable(app: App | None, expansions: Expansions) -> bool:
    """Tell whether the app lets the caller call the action that `%%request` names."""
    can_evaluate = None if app is None else app.data_api.can_evaluate
    return can_evaluate is None or can_evaluate.constant is True or holds(can_evaluate, expansions.context())


def refuse_endpoint(endpoint: Endpoint, function: Function, expansions: Expansions) -> None:
    """Raise NotCallableError or FunctionRefusedError if an endpoint or its function is not for this call."""
    context = expansions.context()
    if endpoint.can_evaluate is not None and not holds(endpoint.can_evaluate, context):
        raise NotCallableError("endpoint not callable")
    if not holds(function.can_evaluate, context):
        raise FunctionRefusedError(f'rule not matched for function "{function.name}"')


def _no_rule(request: Request) -> NoRuleError:
    names = [each for each in (request.database, request.collection) if each]
    return NoRuleError(f"no rule exists for namespace '{'.'.join(names)}'" if names else "no rule exists")


def _data_source(app: App | None, request: Request, *, is_only: bool) -> DataSource | None:
    """Return the app's data source of this name, None without an app; raise UnknownDataSourceError for another's."""
    if app is None:
        return None
    source = app.data_source(request.data_source, is_only=is_only)
    if source is None:
        raise UnknownDataSourceError(f"service not found: '{request.data_source[:100]}'")
    return source
