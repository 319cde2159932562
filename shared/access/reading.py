"""What a call wants to read."""

from typing import Any, NamedTuple

from shared.ejson import Document


class Reading(NamedTuple):
    """The members of find and findOne, checked: a limit is at least 1, a sort is a list of keys or None."""

    filter: Document
    projection: Document
    sort: list[tuple[str, Any]] | None
    limit: int = 1
    skip: int = 0
