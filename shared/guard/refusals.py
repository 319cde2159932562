"""What no caller may do, whatever the rules say (pure).

Operators that are not open, MongoDB's own databases and collections, and the control database, which holds the API
keys. `shared/operators.py` says which operators are open, and what may stand in them.
"""

from collections.abc import Iterable

from shared.documents.ejson import Document
from shared.errors import InvalidParameterError, NoRuleError
from shared.guard.joins import joined_by
from shared.guard.walk import Walked, nested
from shared.operators import OTHERS, Operator, Standing
from shared.options import Options

REFUSED_DATABASES = frozenset({"admin", "local", "config"})

_LONGEST_DATABASE, _LONGEST_NAMESPACE = 63, 255  # bytes, MongoDB's own limits
_SHOWN = 100


class Guard:
    """The refusals of one deployment."""

    def __init__(self, control_database: str, allowed_stages: frozenset[str] = frozenset()) -> None:
        """Refuse MongoDB's own databases and the control database; open stages by name to who is bound by no rule."""
        self._databases = REFUSED_DATABASES | {control_database.lower()}
        self._allowed_stages = allowed_stages

    def namespace(self, database: str, collection: str) -> None:
        """Raise NoRuleError for a namespace that is nobody's to touch, InvalidParameterError for one that is too long.

        A view in system.views could read any other collection; names with `$` stand for commands.
        """
        name = f"{database}.{collection}" if collection else database
        if len(database.encode()) > _LONGEST_DATABASE or len(name.encode()) > _LONGEST_NAMESPACE:
            raise InvalidParameterError("the names of the database and the collection are too long")
        if self.closes(database, collection):
            raise NoRuleError(f"no rule exists for namespace '{name}'")

    def closes(self, database: str, collection: str = "") -> bool:
        """Tell whether a namespace is nobody's to touch, or to know of."""
        is_closed = database.lower() in self._databases or collection.startswith("system.")
        return is_closed or "$" in database or "$" in collection

    def operators(self, met: Walked, database: str, *, is_system: bool) -> None:
        """Raise InvalidParameterError or NoRuleError for an operator that is not open, or a namespace that is refused.

        What rules further refuse to a caller whom they bind is theirs to say.
        """
        _refuse_nameless(met.documents)
        standing = Standing.SYSTEM if is_system else Standing.WHOLE
        for name, operator, operand in met.operators:
            if operator is None or operator.open_to > standing:
                self._refuse_closed(name, operator, is_system=is_system)
            if name in OTHERS and (other := joined_by(name, operand, database)) is not None:
                self.namespace(*other)

    def options(self, options: Options, *, is_system: bool) -> None:
        """Raise InvalidParameterError for an option that is not open to the caller."""
        if not is_system:
            options.refuse_closed(Standing.WHOLE)

    def _refuse_closed(self, name: str, operator: Operator | None, *, is_system: bool) -> None:
        """Raise unless the deployment opens the stage of this name to system callers."""
        open_to = Standing.NOBODY if operator is None else operator.open_to
        if is_system and open_to is Standing.NAMED and name in self._allowed_stages:
            return
        whom = " for callers that rules apply to" if open_to is Standing.SYSTEM else ""
        raise InvalidParameterError(f"operator '{name[:_SHOWN]}' is not allowed{whom}")


def _refuse_nameless(documents: Iterable[Document]) -> None:
    """Raise InvalidParameterError for $elemMatch of a field whose name is empty: MongoDB 6.0 dies of it.

    It plans a query with an index by the parts of paths, and an empty one has none (seen in 6.0.5).
    """
    for each in documents:
        if "" in each and any("$elemMatch" in inner for inner in nested([each[""]])):
            raise InvalidParameterError("operator '$elemMatch' is not allowed for a field whose name is empty")
