"""Whether the schema of a collection lets a document be written, and what its caller is told if not."""

from itertools import chain, islice
from typing import TYPE_CHECKING

from shared.documents.elements import decoded
from shared.errors import SchemaFailedError
from shared.rules.disclosure import disclosed
from shared.rules.expressions import Expansions
from shared.rules.schema import MOST_FAILURES, PatternTime, Schema, SlowPatternError
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.rules.ruleset import Rights


class SchemaCheck:
    """The schema of a collection, as it counts for one call."""

    def __init__(self, schema: Schema | None, rights: "Rights", expansions: Expansions, settings: Settings) -> None:
        """Take the schema, None without one, and what the caller may read."""
        self._schema = schema
        self._rights = rights
        self._expansions = expansions
        self._null_allowed = settings.schema_null_type_validation
        self._patterns = PatternTime()

    def refuse(self, verb: str, old: bytes | None, new: bytes) -> None:
        """Raise SchemaFailedError for a document that does not follow the schema; it tells of what may be read."""
        if self._schema is None:
            return
        after, before = decoded(new), None if old is None else decoded(old)
        failures = self._schema.failures(
            after, before, self._expansions, null_allowed=self._null_allowed, patterns=self._patterns
        )
        documents = [after] if before is None else [before, after]
        try:
            first = list(islice(failures, MOST_FAILURES))
            told = list(islice(disclosed(chain(first, failures), self._rights, documents), MOST_FAILURES))
        except SlowPatternError as slow:
            raise SchemaFailedError(f"{verb} not permitted: the schema's patterns take too long on it") from slow
        if first:
            reasons = f": {'; '.join(map(str, told))}" if told else ""
            error = SchemaFailedError(f"{verb} not permitted: schema validation failed{reasons}")
            raise error.because(f"denied by the schema: {'; '.join(map(str, first))}")
