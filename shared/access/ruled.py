"""One collection as the rules of the app open it to one call: what its reads and its writes share."""

from shared.access.full import FullAccess
from shared.documents.ejson import Document
from shared.errors import NoRoleError
from shared.rules import field_paths
from shared.rules.expressions import Expansions
from shared.rules.ruleset import Rights
from shared.rules.schema import Schema
from shared.rules.values import Path

_SMALLEST_BATCH, _LARGEST_BATCH = 32, 1_000


class Ruled:
    """The collection, and what the rules come to for this call."""

    def __init__(self, full: FullAccess, rights: Rights, schema: Schema | None, expansions: Expansions) -> None:
        """Take the unbound access, the rights of the caller, the schema of the collection, and what expansions mean."""
        self.full = full
        self.target = full.target
        self.settings = full.settings
        self.rights = rights
        self.schema = schema
        self.expansions = expansions

    def filter_paths(self, condition: Document) -> set[Path]:
        """Return the paths that a condition uses; refuse operators that could tell what is hidden."""
        return set() if self.rights.is_full else field_paths.of_filter(condition)

    def required(self, used: set[Path]) -> set[Path]:
        """Return the paths that must be readable for a document to match; refuse those that never can be."""
        if self.settings.rules_allow_hidden_field_queries:
            return set()
        hidden = self.rights.hidden(used)
        if hidden is not None:
            raise NoRoleError(f"no role lets you read the field '{'.'.join(hidden)[:200]}', which the call uses")
        return used

    def condition(self, condition: Document) -> Document:
        """Return the caller's condition with what is known of the documents that are visible."""
        visible = self.rights.query.query
        return {"$and": [condition, visible]} if condition and visible else condition or visible


def batch_size(wanted: int) -> int:
    """Return how many documents to read at once where some of them may not be visible."""
    return max(_SMALLEST_BATCH, min(wanted, _LARGEST_BATCH))
