"""What a caller is told of an app: no more than its rules open."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import orjson

from shared.access.administration import may_administer
from shared.access.opening import Deployment, Rules, is_callable, refuse_endpoint
from shared.app.model import ANY_METHOD, App, DataSource, Endpoint, Validation, methods_of
from shared.auth.accounts import NOBODY, Caller
from shared.errors import FunctionRefusedError, NotCallableError
from shared.openapi.documents import told
from shared.rules.answers import Answers, answered
from shared.rules.expressions import Expansions
from shared.rules.ruleset import Could, Rights, could_see


class ToldNamespace(NamedTuple):
    """A collection, and as JSON the part of its schema that may be told, None without one."""

    data_source: str
    database: str
    collection: str
    schema: bytes | None


class ToldAction(NamedTuple):
    """An action that could do something for the caller."""

    name: str
    is_sure: bool = True
    """Whether no document decides on it."""
    places: tuple[int, ...] | None = None
    """The collections that it could be about, by their numbers; None if there are others."""


class ToldEndpoint(NamedTuple):
    """An endpoint of the app that the caller could call."""

    route: str
    method: str
    needs_credentials: bool
    validation: Validation
    responds: bool
    """Whether what its function returns is the body, as JSON."""


class Told(NamedTuple):
    """What a document is made of beside the API itself; whoever is told the same gets the same document."""

    app_id: str = ""
    app_name: str = ""
    versions: tuple[str, ...] = ("v1", "beta")
    namespaces: tuple[ToldNamespace, ...] = ()
    actions: tuple[ToldAction, ...] | None = None
    """None for all."""
    endpoints: tuple[ToldEndpoint, ...] = ()
    is_refused: bool = False
    """Whether the app lets the caller call nothing at all."""


NOTHING = Told()
"""What everybody may know."""


class Offered(Protocol):
    """An action, as the edge has it."""

    @property
    def reads(self) -> bool:
        """Whether it only reads."""

    @property
    def could(self) -> Could:
        """What the rules of a collection have to allow."""

    @property
    def administers(self) -> bool:
        """Whether the app has to let its caller administer."""


class Group(Protocol):
    """Some actions, and those that they may be made of: without one of these they can do nothing."""

    @property
    def by_name(self) -> Mapping[str, Any]:
        """The actions."""

    @property
    def parts(self) -> Mapping[str, Any]:
        """What they are made of."""


class Asking(NamedTuple):
    """Who asks, and what `%%request` would be of the calls that are described."""

    caller: Caller
    of_action: Callable[[str], Mapping[str, Any]]
    of_endpoint: Callable[[str, str], Mapping[str, Any]]
    """By method and route."""
    answers: Answers | None


async def told_of(deployment: Deployment, groups: Iterable[Group], asking: Asking) -> Told:
    """Return what a caller may know: those of the collections in the app's files that `listCollections` would name,
    and the actions that could find or change something in one of them.
    """
    app, app_id = deployment.app, deployment.settings.app_id
    everything = asking.caller.is_system
    if app is None:
        return Told(app_id, actions=None if everything else ())
    endpoints = await answered(partial(_endpoints, app, asking))
    versions = tuple(sorted(app.data_api.versions or NOTHING.versions, reverse=True))
    made = Told(app_id, app.name, versions, endpoints=endpoints)
    if app.data_api.disabled:
        return made._replace(actions=())
    if everything:
        return made._replace(namespaces=tuple(_namespace(*each, None) for each in _named(deployment, app)))
    judging = _Judging(deployment, app, asking)
    for group in groups:
        for name, action in group.by_name.items():
            await answered(partial(judging.judge, name, action, group.parts))
            await asyncio.sleep(0)  # of a large app this takes long
    refused = judging.callable == 0 and not endpoints
    return made._replace(namespaces=judging.namespaces, actions=judging.actions, is_refused=refused)


def _named(deployment: Deployment, app: App) -> list[tuple[DataSource, str, str]]:
    """Return the collections that files of the app name."""
    closes = deployment.guard.closes
    return [
        (source, *name)
        for _, source in sorted(app.data_sources.items())
        for name in sorted({*source.rules, *source.schemas})
        if not closes(*name)
    ]


class _Found(NamedTuple):
    """Where an action could do something."""

    places: list[int]
    others: bool
    is_sure: bool


class _Judging:
    """What each action could do for a caller, by the rules that decide on its calls."""

    def __init__(self, deployment: Deployment, app: App, asking: Asking) -> None:
        """Take the app, and who asks."""
        self._app = app
        self._asking = asking
        self._named = _named(deployment, app)
        self._seen: dict[int, Rights] = {}
        self._found: dict[str, _Found] = {}
        self._known: dict[int, Rights | None] = {}
        self.callable = 0
        """How many actions the app lets the caller call."""

    @property
    def namespaces(self) -> tuple[ToldNamespace, ...]:
        """Those of which the caller could see a document."""
        return tuple(_namespace(*self._named[each], self._seen[each]) for each in sorted(self._seen))

    @property
    def actions(self) -> tuple[ToldAction, ...]:
        """Those that could do something; what is done to a collection without a name here, is done to others."""
        numbers = {each: number for number, each in enumerate(sorted(self._seen))}
        return tuple(
            ToldAction(
                name,
                found.is_sure,
                None
                if found.others or not numbers.keys() >= {*found.places}
                else tuple(numbers[each] for each in found.places),
            )
            for name, found in self._found.items()
        )

    def judge(self, name: str, action: Offered, parts: Mapping[str, Any]) -> None:
        """Find where an action could do something; raise UnansweredError if a function has to answer first."""
        expansions = Expansions(self._asking.caller.user, self._asking.of_action(name), self._asking.answers)
        if not is_callable(self._app, expansions):
            return
        self.callable += 1
        if parts:
            self._join(name, [self._found[each] for each in parts if each in self._found])
        elif not action.administers or may_administer(self._app, expansions):
            self._look(name, action, expansions)

    def _join(self, name: str, parts: list[_Found]) -> None:
        places = sorted({place for each in parts for place in each.places})
        if parts:
            self._found[name] = _Found(places, any(each.others for each in parts), all(each.is_sure for each in parts))

    def _look(self, name: str, action: Offered, expansions: Expansions) -> None:
        rules = {id(source): Rules(source, expansions, self._known) for source in self._app.data_sources.values()}
        places, is_sure = [], True
        for number, (source, *namespace) in enumerate(self._named):
            rights = rules[id(source)].usable(*namespace)
            if rights is not None and could_see(rights):
                self._seen.setdefault(number, rights)
            if rights is not None and action.could(rights):
                places.append(number)
                is_sure = is_sure and _is_sure(action, rights, source.schema(*namespace))
        elsewhere = [
            each for one in rules.values() if (each := one.usable_default()) is not None and action.could(each)
        ]
        is_sure = is_sure and all(_is_sure(action, each, None) for each in elsewhere)
        if places or elsewhere:
            self._found[name] = _Found(places, bool(elsewhere), is_sure)


def _is_sure(action: Offered, rights: Rights, schema: Any) -> bool:
    return rights.hides_nothing if action.reads else rights.is_full and schema is None


def _namespace(source: DataSource, database: str, collection: str, rights: Rights | None) -> ToldNamespace:
    """Return what is told of a collection; without rights, all."""
    written = source.written_schemas.get((database, collection))
    if written is None:
        return ToldNamespace(source.name, database, collection, None)
    shows = None if rights is None or rights.shows_everything else rights.always_shows
    schema = orjson.dumps(told(written, shows), default=lambda _value: None)
    return ToldNamespace(source.name, database, collection, schema)


def _endpoints(app: App, asking: Asking) -> tuple[ToldEndpoint, ...]:
    return tuple(
        ToldEndpoint(route, method, each.needs_credentials, each.validation, each.respond_result)
        for route, by_method in sorted(app.endpoints.by_route.items())
        for method in methods_of(by_method)
        if (each := by_method.get(method) or by_method[ANY_METHOD])
        and _is_open(app, each, asking, asking.of_endpoint(method, route))
    )


def _is_open(app: App, endpoint: Endpoint, asking: Asking, view: Mapping[str, Any]) -> bool:
    """Tell whether an endpoint could answer the caller; of one that runs as another user that is not known."""
    function = app.endpoints.functions.by_name[endpoint.function]
    if endpoint.run_as_user_id and not endpoint.needs_credentials:
        asked = (endpoint.can_evaluate, function.can_evaluate)
        return all(each is None or each.constant is not False for each in asked)
    caller = asking.caller if endpoint.needs_credentials else NOBODY
    try:
        refuse_endpoint(endpoint, function, Expansions(caller.user, view, asking.answers))
    except (NotCallableError, FunctionRefusedError):
        return False
    return True
