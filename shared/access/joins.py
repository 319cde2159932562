"""The collections that a pipeline joins, as the rules of the app open them to one call.

What is joined is cut by stages in front of the caller's own, so that the caller sees of it what `find` would show.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.documents.ejson import Document
from shared.errors import InvalidParameterError, NoRoleError
from shared.guard.joins import joined, joined_by
from shared.operators import JOINS
from shared.rules import field_paths
from shared.rules.answers import answered
from shared.rules.values import path

if TYPE_CHECKING:
    from shared.rules.ruleset import Rights

type RightsOf = Callable[[str, str], Rights | None]
"""The caller's rights to a collection by its database and name, None if no rule opens it to anybody."""

type AreSimple = Callable[[tuple[str, str]], Awaitable[bool]]
"""Whether texts of the caller's collection and of another are compared byte by byte, as rules compare them."""

BARRIER: Document = {"$limit": 2**63 - 1}
"""Keeps MongoDB from asking a later $match first, whose expressions may fail on what is hidden."""

_CLOSED = "a stage reads another collection that rules do not open to you, or not by what a stage can say"


class Bound(NamedTuple):
    """A pipeline of which every join is bound by the rules."""

    pipeline: list[Document]
    is_whole: bool
    """Whether nothing of the joined collections is hidden from the caller."""


class Joins:
    """Binds the joins in a caller's pipelines."""

    def __init__(self, database: str, rights_of: RightsOf, are_simple: AreSimple) -> None:
        """Take the database of the pipeline, and what is asked of each collection that it joins."""
        self._database = database
        self._rights_of = rights_of
        self._are_simple = are_simple

    async def bound(self, pipeline: list[Document]) -> Bound:
        """Return the pipeline with rules; raise NoRoleError for a join of what they do not open.

        Where something is hidden, it must run with the simple collation.
        """
        stages = [await self._stage(each) for each in pipeline]
        return Bound([document for document, _ in stages], all(is_whole for _, is_whole in stages))

    async def _stage(self, stage: Document) -> tuple[Document, bool]:
        if not isinstance(stage, dict):
            raise InvalidParameterError("a stage must be an object")
        name, operand = next(iter(stage.items()), ("", None))
        if name == "$facet" and isinstance(operand, dict):
            parts = {each: await self.bound(part) for each, part in operand.items() if isinstance(part, list)}
            pipelines = {each: part.pipeline for each, part in parts.items()}
            return {name: operand | pipelines}, all(part.is_whole for part in parts.values())
        if name not in JOINS:
            for each in joined([stage], self._database):  # whatever else holds stages
                await self._refuse_hidden(each)
            return stage, True
        within = Bound([], is_whole=True)
        if isinstance(operand, dict) and "pipeline" in operand:
            if not isinstance(operand["pipeline"], list):
                raise InvalidParameterError(f"'pipeline' of {name} must be an array")
            within = await self.bound(operand["pipeline"])
            operand = operand | {"pipeline": within.pipeline}
        elif not isinstance(operand, dict) and name != "$unionWith":
            raise InvalidParameterError(f"{name} takes an object")
        other = joined_by(name, operand, self._database)
        cut = None if other is None else await self._cut(name, operand, other)
        return {name: operand if cut is None else cut}, within.is_whole and cut is None

    async def _cut(self, name: str, operand: Any, other: tuple[str, str]) -> Any:
        """Return the operand of a join that shows what the rules show, None if they show everything."""
        rights = await answered(lambda: self._rights_of(*other))
        if rights is not None and rights.hides_nothing:
            return None
        stages = None if rights is None else rights.readable_stages()
        if rights is None or stages is None or not await self._are_simple(other):
            raise _closed(other)
        if name == "$graphLookup":
            return operand | {"restrictSearchWithMatch": _restriction(operand, rights, other)}
        if name == "$lookup" and (by := operand.get("foreignField")) is not None:
            parts = path(by) if type(by) is str else ()
            if not parts or not rights.always_shows(parts) or rights.drops_elements(parts):
                raise NoRoleError(f"$lookup: rules do not let you join by the field '{str(by)[:200]}'")
        named = operand if isinstance(operand, dict) else {"coll": operand}
        inner = named.get("pipeline", [])
        field_paths.refuse_stages(inner)
        return named | {"pipeline": [*behind(stages, inner), *inner]}

    async def _refuse_hidden(self, other: tuple[str, str]) -> None:
        rights = await answered(lambda: self._rights_of(*other))
        if rights is None or not rights.hides_nothing:
            raise _closed(other)


def behind(stages: list[Document], pipeline: list[Document]) -> list[Document]:
    """Return the stages of rules such that MongoDB computes nothing of a pipeline behind them before they have cut."""
    return [*stages, BARRIER] if stages and field_paths.computes_matches(pipeline) else stages


def _restriction(operand: Document, rights: "Rights", other: tuple[str, str]) -> Document:
    """Return the condition of a $graphLookup, which cannot cut fields."""
    if not rights.shows_everything:
        raise _closed(other)
    given = operand.get("restrictSearchWithMatch", {})
    if not isinstance(given, dict):
        raise InvalidParameterError("'restrictSearchWithMatch' of $graphLookup must be an object")
    if field_paths.computes_matches([given]):
        raise InvalidParameterError("$graphLookup: $expr cannot be used where rules apply")
    return {"$and": [rights.query.query, given]} if given else rights.query.query


def _closed(other: tuple[str, str]) -> NoRoleError:
    return NoRoleError(_CLOSED).because(f"the stage reads '{'.'.join(other)}'")
