"""What no caller may do, whatever the rules say (pure).

Server-side JavaScript, stages that write or that show the server's inside, MongoDB's own databases and collections,
and the control database, which holds the API keys. Names are looked for at every depth of a filter, projection,
update or pipeline, because MongoDB accepts operators in places such as `$facet`, `$lookup.pipeline` and `$expr`.
"""

from collections.abc import Iterable
from typing import Any

from shared.documents.ejson import Document
from shared.errors import InvalidParameterError, NoRuleError
from shared.guard.joins import JOINS, joined_by

JAVASCRIPT = frozenset({"$where", "$function", "$accumulator"})
WRITING_STAGES = frozenset({"$out", "$merge"})
SERVER_STAGES = frozenset({
    "$backupCursor", "$backupCursorExtend", "$changeStream", "$changeStreamSplitLargeEvent", "$currentOp",
    "$indexStats", "$listCachedAndActiveUsers", "$listCatalog", "$listClusterCatalog", "$listLocalSessions",
    "$listMqlEntities", "$listSampledQueries", "$listSessions", "$mergeCursors", "$operationMetrics",
    "$planCacheStats", "$querySettings", "$queryStats", "$shardedDataDistribution",
})  # fmt: skip
DRIVER_COMMANDS = frozenset({"$query"})  # PyMongo takes such a filter for a find command, of any collection
REFUSED_OPERATORS = JAVASCRIPT | WRITING_STAGES | SERVER_STAGES | DRIVER_COMMANDS
REFUSED_DATABASES = frozenset({"admin", "local", "config"})

_LONGEST_DATABASE, _LONGEST_NAMESPACE = 63, 255  # bytes, MongoDB's own limits
_SHOWN = 100
_INTERNAL_PREFIX = "$_"  # $_internalJsEmit and its like run JavaScript, too


class Guard:
    """The refusals of one deployment."""

    def __init__(self, control_database: str) -> None:
        """Refuse MongoDB's own databases and the deployment's control database."""
        self._databases = REFUSED_DATABASES | {control_database.lower()}

    def namespace(self, database: str, collection: str) -> None:
        """Raise NoRuleError for a namespace that is nobody's to touch, InvalidParameterError for one that is too long.

        A view in system.views could read any other collection; names with `$` stand for commands.
        """
        name = f"{database}.{collection}"
        if len(database.encode()) > _LONGEST_DATABASE or len(name.encode()) > _LONGEST_NAMESPACE:
            raise InvalidParameterError("the names of the database and the collection are too long")
        if database.lower() in self._databases or collection.startswith("system.") or "$" in name:
            raise NoRuleError(f"no rule exists for namespace '{name}'")

    def operators(self, documents: Iterable[Document], database: str) -> None:
        """Raise InvalidParameterError or NoRuleError if a refused operator or namespace stands in these documents."""
        for document in documents:
            for name in document:
                if name.startswith("$"):
                    self._operator(name, document[name], database)

    def _operator(self, name: str, operand: Any, database: str) -> None:
        if name in REFUSED_OPERATORS or name.startswith(_INTERNAL_PREFIX):
            raise InvalidParameterError(f"operator '{name[:_SHOWN]}' is not allowed")
        if name in JOINS and (other := joined_by(name, operand, database)) is not None:
            self.namespace(*other)
