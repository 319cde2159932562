"""Documents that a call stores as they are (pure)."""

from typing import Any, NamedTuple


class Encoded(NamedTuple):
    """A document as BSON; a new one has its _id, made here if it brought none."""

    raw: bytes
    id: Any = None


type Storable = dict[str, Any] | Encoded
"""A document that is stored as it is, as values or as BSON."""


class Stored(NamedTuple):
    """The member of a body that an action stores."""

    member: str
    are_many: bool = False
    are_new: bool = True
