"""What several writes of one call come to: counters, ids by index, and what failed (pure)."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from shared.documents import replies
from shared.documents.replies import Format
from shared.documents.transcoder import Writer
from shared.errors import DataAPIError
from shared.turns import Steps

_AT_ONCE = 500
_LONGEST_ERROR = 1_000


class Failure(NamedTuple):
    """An operation that failed: the error that it would be by itself, and MongoDB's code of it if it is MongoDB's."""

    place: int
    error: DataAPIError
    code: int | None

    def members(self) -> dict[str, object]:
        """Return what the reply says of it."""
        code = {} if self.code is None else {"code": self.code}
        return {
            "index": self.place,
            **code,
            "error": str(self.error)[:_LONGEST_ERROR],
            "error_code": self.error.code,
        }


class Outcome:
    """What operations have come to, by their indexes."""

    def __init__(self, failures: Iterable[Failure] = ()) -> None:
        """Begin with nothing that was done."""
        self.failures = list(failures)
        self._counts = {"matchedCount": 0, "modifiedCount": 0, "deletedCount": 0}
        self._inserted: dict[str, Any] = {}
        self._upserted: dict[str, Any] = {}

    def add(self, index: int, reply: Mapping[str, Any]) -> None:
        """Add what the reply of an action says, or that of an insertMany whose documents begin at this index."""
        for name in self._counts.keys() & reply.keys():
            self._counts[name] += reply[name]
        for place, each in enumerate(reply.get("insertedIds", ())):
            self._inserted[str(index + place)] = each
        if "insertedId" in reply:
            self._inserted[str(index)] = reply["insertedId"]
        if "upsertedId" in reply:
            self._upserted[str(index)] = reply["upsertedId"]

    @property
    def documents(self) -> int:
        """How many documents were inserted, matched or deleted."""
        found = len(self._inserted) + len(self._upserted)
        return found + self._counts["matchedCount"] + self._counts["deletedCount"]

    @property
    def members(self) -> dict[str, Any]:
        """The members of the reply."""
        return {**self._counters, "insertedIds": self._inserted, "upsertedIds": self._upserted}

    @property
    def _counters(self) -> dict[str, int]:
        inserted, upserted = {"insertedCount": len(self._inserted)}, {"upsertedCount": len(self._upserted)}
        return inserted | self._counts | upserted

    def texts(self, form: Format, native: Writer | None) -> Steps[list[bytes]]:
        """Return the reply in parts."""
        counters = replies.reply(self._counters, form, native)
        inserted = yield from replies.long_members(self._inserted, form, native)
        upserted = yield from replies.long_members(self._upserted, form, native)
        return [counters[:-1], b',"insertedIds":', inserted, b',"upsertedIds":', upserted, b"}"]

    def error(self, form: Format, native: Writer | None) -> Steps[DataAPIError]:
        """Return the error of the first operation that failed, with all that failed and what was done."""
        self.failures.sort(key=lambda each: each.place)
        texts = []
        for start in range(0, len(self.failures), _AT_ONCE):
            texts.append(orjson.dumps([each.members() for each in self.failures[start : start + _AT_ONCE]])[1:-1])
            yield
        done = yield from self.texts(form, native)
        first = self.failures[0]
        others = len(self.failures) - 1
        error = first.error.at(f"requests[{first.place}]")
        if others:
            error.args = (f"{error}, and {others} more failed",)
        error.members = {"writeErrors": b"[%b]" % b",".join(texts), "partialResult": b"".join(done)}
        return error
