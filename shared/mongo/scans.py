"""SCAN_GUARD: queries without an index, named or refused, by what MongoDB says of each shape of query.

Nobody may learn by it of documents that rules hide. How large a collection is, and what a plan owes to what is stored,
counts only for system callers; for all others a query has no index where none begins with anything that it names.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextvars import Context
from hashlib import sha256
from math import inf
from typing import Any, NamedTuple

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure, PyMongoError

from shared import turns
from shared.admission import current_line
from shared.documents.ejson import Document
from shared.documents.plans import Plan
from shared.documents.shapes import could_serve, narrowed, question, reduced, shape, wants_index
from shared.errors import ScanRefusedError
from shared.settings import Settings
from shared.telemetry.log import event
from shared.telemetry.requests import Scan
from shared.ttl_cache import Cache

type Collection = AsyncCollection[dict[str, Any]]

_SECONDS, _SCAN_SECONDS, _FAILED_SECONDS = 60, 5, 5
_MOST_SHAPES = 2_000
_EXPLAIN_MS = 1_000
_LONGEST_NAMED = 1_000  # characters of an index in a header or a text
_DECODED: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)


class _Verdict(NamedTuple):
    """What holds for all questions of one shape."""

    is_scan: bool
    is_certain: bool = False
    """Whether it is a scan whatever is stored: no index begins with what is asked for."""
    suggested: Document | None = None
    documents: float = 0
    """Of the collection, about."""
    is_by_value: bool = False
    """Whether questions of the shape with other values may have an index: a partial one."""


_PASSES = _Verdict(is_scan=False)


class ScanGuard:
    """Asks MongoDB how it would run a query, once for each shape and some time."""

    def __init__(self, settings: Settings) -> None:
        """Know no shape yet."""
        self._refuses = settings.scan_guard == "refuse"
        self._least = settings.scan_guard_documents
        self._verdicts: Cache[bytes, _Verdict] = Cache(_MOST_SHAPES)
        self._asked: dict[bytes, asyncio.Task[_Verdict]] = {}

    async def look(self, target: Collection, command: Mapping[str, Any]) -> None:
        """Note what a command looks for without an index; raise ScanRefusedError if such are refused.

        It has not been sent yet, so that nothing is written.
        """
        asked = question(command)
        if wants_index(asked):
            self._decide(target, await self._verdict(target, asked))

    def _decide(self, target: Collection, verdict: _Verdict) -> None:
        line = current_line()
        is_system = line is not None and line.is_system
        is_meant = verdict.documents >= self._least if is_system else verdict.is_certain
        if not (verdict.is_scan and is_meant):
            return
        if line is not None and line.scan is None:
            line.scan = Scan(f"{target.database.name}.{target.name}", verdict.suggested)
        if self._refuses:
            named = written(verdict.suggested) if is_system else None
            helps = "" if named is None else f": an index on {named} would help"
            raise ScanRefusedError(f"the query has no index{helps}")

    async def _verdict(self, target: Collection, asked: Document) -> _Verdict:
        """Return what is known of a shape; calls that ask at the same time share the answer."""
        key = shape(target.database.name, asked)
        known = self._verdicts.get(key)
        if known is not None and known.is_by_value:
            key = sha256(key + repr(reduced(asked)).encode("utf-8", "surrogatepass")).digest()
            known = self._verdicts.get(key)
        if known is not None:
            return known
        task = self._asked.get(key)
        if task is None:
            # in a context of its own: neither in the transaction of the call that is first, nor within its deadline
            task = self._asked[key] = asyncio.create_task(self._ask(target, asked, key), context=Context())
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, target: Collection, asked: Document, key: bytes) -> _Verdict:
        try:
            with pymongo.timeout(2 * _EXPLAIN_MS / 1000):
                verdict = await self._explained(target, asked)
        except Exception as error:  # noqa: BLE001  whatever it is, it is no reason to refuse a call that can be answered
            namespace = f"{target.database.name}.{target.name}"
            event(logging.WARNING, "a query cannot be explained", namespace=namespace, cause=type(error).__name__)
            verdict = _PASSES
            self._verdicts.put(key, verdict, _FAILED_SECONDS)
        else:
            self._verdicts.put(key, verdict, _SCAN_SECONDS if verdict.is_scan else _SECONDS)
        return verdict

    async def _explained(self, target: Collection, whole: Document) -> _Verdict:
        asked = reduced(whole)
        if asked is None:
            raise ValueError("too many values")
        command = {"explain": asked, "verbosity": "queryPlanner", "maxTimeMS": _EXPLAIN_MS}
        preference = target.read_preference
        answer = await target.database.command(command, read_preference=preference, codec_options=_DECODED)
        plan = await turns.taken(Plan.read(answer))
        if not plan.is_scan:
            return _PASSES
        indexes = await _indexes(target)
        return _Verdict(
            is_scan=True,
            is_certain=indexes is not None and not any(could_serve(each["key"], asked) for each in indexes),
            is_by_value=any("partialFilterExpression" in each for each in indexes or ()),
            suggested=plan.helpful(*narrowed(asked)),
            documents=await self._size(target),
        )

    async def _size(self, target: Collection) -> float:
        """Return about how many documents a collection has; any number where MongoDB cannot say it at once."""
        if not self._least:
            return inf
        try:
            return await target.estimated_document_count(maxTimeMS=_EXPLAIN_MS)
        except PyMongoError:
            return inf


async def _indexes(target: Collection) -> Sequence[Mapping[str, Any]] | None:
    """Return the indexes of a collection, None of a view, which has those of another."""
    try:
        return await (await target.with_options(_DECODED).list_indexes()).to_list()
    except OperationFailure:
        return None


def written(keys: Mapping[str, Any] | None) -> str | None:
    """Return the keys of an index in ASCII, None if there are none or they are too long to be named."""
    text = json.dumps(keys, separators=(",", ":")).replace("\x7f", "\\u007f")
    return None if keys is None or len(text) > _LONGEST_NAMED else text
