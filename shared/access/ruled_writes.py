"""Writes under the rules of the app: checked before they count.

A write that changes or removes documents reads them, checks what becomes of them and is kept or undone in one
transaction, so that no other write comes between the check and what was checked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pymongo import ReturnDocument
from pymongo.errors import OperationFailure

from shared.access import inserts
from shared.access.protocol import Changes, Reply
from shared.access.ruled import in_parts
from shared.access.ruled_inserts import RuledInserts, deny, id_of, key_of, the_same
from shared.access.ruled_matches import AT_ONCE, RuledMatches
from shared.documents.ejson import Document
from shared.documents.stored import Storable
from shared.errors import CommandFailedError, InvalidParameterError
from shared.mongo.deadlines import Session
from shared.mongo.refusals import translated
from shared.requests import Sort
from shared.rules import field_paths
from shared.rules.answers import answered
from shared.rules.field_paths import Touched
from shared.writes import replaced_by, replacing

if TYPE_CHECKING:
    from shared.rules.ruleset import Rights

_NOBODY: Document = {"$nor": [{}]}


class RuledWrites(RuledMatches, RuledInserts):
    """The writes of one collection as the rules open it to one call."""

    async def update_one(
        self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        """Change the first visible document that matches."""
        update = Update(condition, changes, array_filters, self._touched(changes, array_filters), upsert, sort=sort)
        return self._updated(await self._transaction(lambda session: self._update_one(session, update)))

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        """Change all visible documents that match, or none."""
        replacement = None if array_filters else replaced_by(changes)
        if replacement is None:
            update = Update(condition, changes, array_filters, self._touched(changes, array_filters), upsert)
        else:
            update = Update(condition, replacement, None, None, upsert, is_replacement=True)
        return self._updated(await self._transaction(lambda session: self._update_many(session, update)))

    async def replace_one(
        self, condition: Document, replacement: Storable, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        """Put another document in the place of the first visible one that matches."""
        update = Update(condition, inserts.sent(replacement), None, None, upsert, is_replacement=True, sort=sort)
        return self._updated(await self._transaction(lambda session: self._update_one(session, update)))

    async def delete_one(self, condition: Document) -> Reply:
        """Delete the first visible document that matches."""
        count = await self._transaction(lambda session: self._delete(session, condition, 1))
        return self.full.reply({"deletedCount": count}, count)

    async def delete_many(self, condition: Document) -> Reply:
        """Delete all visible documents that match, or none."""
        count = await self._transaction(lambda session: self._delete(session, condition, None))
        return self.full.reply({"deletedCount": count}, count)

    def _updated(self, counts: Mapping[str, Any]) -> Reply:
        return self.full.reply(counts, 1 if "upsertedId" in counts else counts["matchedCount"])

    @property
    def _changing(self) -> dict[str, Any]:
        """The options of commands that change documents which were found; texts are compared as the collection does."""
        return self.full.options.only("comment", "let")

    def _touched(self, changes: Changes, array_filters: list[Any] | None) -> Touched | None:
        """Return the paths that an update names; None stands for all, as for a pipeline that may read any."""
        if self.full.options.collation is not None and not field_paths.compares_nothing(changes, array_filters or []):
            raise InvalidParameterError(
                "option 'collation' is not allowed for an update that compares, where rules apply"
            )
        if isinstance(changes, list):
            if not self.rights.is_full:
                field_paths.refuse_stages(changes)
            return None
        return field_paths.of_update(changes, array_filters or [])

    async def _update_one(self, session: Session, update: "Update") -> dict[str, Any]:
        return (
            await self._change(session, await self.visible(session, update.condition, 1, update.sort), update)
        ).counts

    async def _change(self, session: Session, found: Sequence[bytes], update: "Update") -> "_Change":
        """Change the document that was found, or insert one if it may."""
        if not found:
            return _Change(None, await self._upserted(session, update))
        (old,) = found
        await self._check_touched(found, update)
        update = update.of_existing()
        if not update.is_replacement and not update.changes:
            return _Change(old, old)
        condition = self.again(the_same([old]), update.condition)
        new = await self._changed(session, condition, update, upsert=False)
        await self._check_update(old, new)
        return _Change(old, new)

    async def _update_many(self, session: Session, update: "Update") -> dict[str, Any]:
        found = await self.visible(session, update.condition, None)
        if not found:
            return _Change(None, await self._upserted(session, update)).counts
        await self._check_touched(found, update)
        update = update.of_existing()
        modified = 0
        for start in range(0, len(found) if update.changes else 0, AT_ONCE):
            old = {key_of(each): each for each in found[start : start + AT_ONCE]}
            ids = the_same(old.values())
            with _without_text(self.rights):
                await self.target.update_many(
                    self.again(ids, update.condition),
                    replacing(update.changes) if update.is_replacement else update.changes,
                    array_filters=update.array_filters,
                    session=session,
                    **self._changing,
                )
            async for some in in_parts(await self.stored(session, ids)):
                for new in some:
                    before = old.pop(key_of(new))
                    await self._check_update(before, new)
                    modified += before != new
        return {"matchedCount": len(found), "modifiedCount": modified}

    async def _upserted(self, session: Session, update: "Update") -> bytes | None:
        if not update.upsert:
            return None
        # a document that the caller cannot see may match: it is not to be met
        new = await self._changed(session, {"$and": [update.condition, _NOBODY]}, update, upsert=True)
        await self._check_insert(new)
        return new

    async def _changed(self, session: Session, condition: Document, update: "Update", *, upsert: bool) -> bytes:
        """Change or insert one document inside the transaction, and return what became of it."""
        new: Any
        with _without_text(self.rights):
            if update.is_replacement:
                new = await self.target.find_one_and_replace(
                    condition,
                    update.changes,
                    upsert=upsert,
                    return_document=ReturnDocument.AFTER,
                    session=session,
                    **self._changing,
                )
            else:
                new = await self.target.find_one_and_update(
                    condition,
                    update.changes,
                    upsert=upsert,
                    array_filters=update.array_filters,
                    return_document=ReturnDocument.AFTER,
                    session=session,
                    **self._changing,
                )
        return bytes(new.raw)

    async def _check_touched(self, found: Sequence[bytes], update: "Update") -> None:
        """Deny before MongoDB tries: its refusals name the type of what they refuse."""
        rights = self.rights
        async for some in in_parts(found, 0 if update.touched is None else len(update.touched.paths)):
            for old in some:
                decision = await answered(
                    partial(rights.may_replace, old)
                    if update.is_replacement
                    else partial(rights.may_touch, old, update.touched)
                )
                if not decision.allowed:
                    deny("update", decision)

    async def _check_update(self, old: bytes, new: bytes) -> None:
        await answered(partial(self._refuse_update, old, new))

    def _refuse_update(self, old: bytes, new: bytes) -> None:
        decision = self.rights.may_update(old, new)
        if not decision.allowed:
            deny("update", decision)
        self._schema_check.refuse("update", old, new)

    async def _delete(self, session: Session, condition: Document, limit: int | None) -> int:
        return await self._remove(session, await self.visible(session, condition, limit))

    async def _remove(self, session: Session, found: Sequence[bytes]) -> int:
        async for part in in_parts(found):
            for old in part:
                decision = await answered(partial(self.rights.may_delete, old))
                if not decision.allowed:
                    deny("delete", decision)
        count = 0
        for start in range(0, len(found), AT_ONCE):
            some = the_same(found[start : start + AT_ONCE])
            count += (await self.target.delete_many(some, session=session, **self._commented)).deleted_count
        return count


class _Change(NamedTuple):
    old: bytes | None
    new: bytes | None

    @property
    def counts(self) -> dict[str, Any]:
        if self.old is not None:
            return {"matchedCount": 1, "modifiedCount": int(self.old != self.new)}
        inserted = {} if self.new is None else {"upsertedId": id_of(self.new)}
        return {"matchedCount": 0, "modifiedCount": 0, **inserted}


class Update(NamedTuple):
    """What an update or a replacement is to do."""

    condition: Document
    changes: Any
    array_filters: list[Any] | None
    touched: Touched | None
    upsert: bool
    is_replacement: bool = False
    sort: Sort = None

    def of_existing(self) -> "Update":
        """Return what it does to a document that is there, where $setOnInsert does nothing but tell by its errors."""
        if self.is_replacement or not isinstance(self.changes, dict):
            return self
        return self._replace(changes={name: self.changes[name] for name in self.changes if name != "$setOnInsert"})


@contextmanager
def _without_text(rights: "Rights") -> Iterator[None]:
    """Leave out the text of a refusal of MongoDB's: it may repeat values of the document that are hidden."""
    try:
        yield
    except OperationFailure as error:
        refusal = translated(error)
        if not isinstance(refusal, CommandFailedError) or rights.shows_everything:
            raise
        name = str(refusal).partition(")")[0]
        raise CommandFailedError(f"{name}) MongoDB cannot make this change of the document") from error
