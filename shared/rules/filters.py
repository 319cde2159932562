"""Filters of a ruleset: queries and projections that are added to every call they apply to."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shared.rules.expressions import Context, Expression, NoAnswerError, Operand
from shared.rules.translations import NOTHING
from shared.rules.values import MISSING


class Filter(NamedTuple):
    """One filter."""

    name: str
    apply_when: Expression
    added: Operand
    """The query that it adds, whose expansions are values."""

    projection: Mapping[str, bool]

    def applies(self, context: Context) -> bool:
        """Tell whether it counts for a call; where a function has no answer it does, and then nothing is found."""
        try:
            return self.apply_when.bound(context)(context)
        except NoAnswerError:
            return True

    def query(self, context: Context) -> dict[str, Any]:
        """Return the query to add; where an expansion of it is undefined, or has no answer, one that finds nothing."""
        try:
            self.apply_when.bound(context)(context)
            value = self.added.get(context)
        except NoAnswerError:
            return NOTHING.query
        return NOTHING.query if value is MISSING else value
