"""What a caller is told of an app: no more than its rules open."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from shared.access.opening import Deployment, Rules
from shared.app.model import App, DataSource, Namespace
from shared.auth.accounts import Caller
from shared.openapi.documents import told
from shared.rules.answers import Answers, answered
from shared.rules.expressions import Expansions, holds


class ToldNamespace(NamedTuple):
    """A collection, and as JSON the part of its schema that may be told, None without one."""

    data_source: str
    database: str
    collection: str
    schema: bytes | None


class Told(NamedTuple):
    """What a document is made of beside the API itself; whoever is told the same gets the same document."""

    app_id: str = ""
    app_name: str = ""
    administers: bool = True
    """Whether collections and indexes may be made and dropped."""
    namespaces: tuple[ToldNamespace, ...] = ()
    are_all: bool = False
    """Whether no other collection is open."""


NOTHING = Told()
"""What everybody may know."""


async def told_of(deployment: Deployment, caller: Caller, view: Mapping[str, Any], answers: Answers | None) -> Told:
    """Return what a caller may know: those of the collections in the app's files that `listCollections` would name."""
    app = deployment.app
    if app is None:
        return Told(app_id=deployment.settings.app_id, administers=caller.is_system)
    expansions = None if caller.is_system else Expansions(caller.user, view, answers)
    return await answered(lambda: _told(deployment, app, expansions))


def _told(deployment: Deployment, app: App, expansions: Expansions | None) -> Told:
    found: list[ToldNamespace] = []
    closes = deployment.guard.closes
    are_all = expansions is not None
    for _, source in sorted(app.data_sources.items()):
        rules = None if expansions is None else Rules(source, expansions)
        named = [each for each in sorted({*source.rules, *source.schemas}) if not closes(*each)]
        found += [each for name in named if (each := _namespace(source, name, rules))]
        are_all = are_all and not (rules and rules.opens_default())
    administers = expansions is None or (app.administer is not None and holds(app.administer, expansions.context()))
    return Told(deployment.settings.app_id, app.name, administers, tuple(found), are_all and bool(found))


def _namespace(source: DataSource, namespace: Namespace, rules: Rules | None) -> ToldNamespace | None:
    """Return what is told of a collection, None if the caller could see no document of it."""
    if rules is not None and not rules.opens(*namespace):
        return None
    written = source.written_schemas.get(namespace)
    if written is None:
        return ToldNamespace(source.name, *namespace, None)
    rights = None if rules is None else rules.rights(*namespace)
    shows = None if rights is None or rights.shows_everything else rights.always_shows
    return ToldNamespace(source.name, *namespace, orjson.dumps(told(written, shows), default=lambda _value: None))
