"""Eve under Gunicorn, as it comes, or lean: with the switches of its manual that make it faster."""

import os
from typing import Any

from eve import Eve  # type: ignore[import-untyped]
from eve.auth import TokenAuth  # type: ignore[import-untyped]

_SCHEMA: dict[str, Any] = {
    "n": {"type": "integer"},
    "title": {"type": "string"},
    "year": {"type": "integer"},
    "rating": {"type": "float"},
    "released": {"type": "datetime"},
    "votes": {"type": "integer"},
    "genres": {"type": "list", "schema": {"type": "string"}},
    "active": {"type": "boolean"},
    "director": {"type": "dict", "schema": {"name": {"type": "string"}, "born": {"type": "integer"}}},
    "plot": {"type": "string"},
    "price": {"type": "float"},
}
_LEAN = {
    "HATEOAS": False,
    "IF_MATCH": False,
    "OPTIMIZE_PAGINATION_FOR_SPEED": True,  # does not count all matches
    "RENDERERS": ["eve.render.JSONRenderer"],
}


class _KeyAuth(TokenAuth):  # type: ignore[misc] # eve is untyped
    def check_auth(self, token: str, *_rest: object) -> bool:
        return token == os.environ["BENCH_KEY"]


def make(*, lean: bool) -> Any:
    """Return the application, its films under their numbers."""
    resource: dict[str, Any] = {"schema": _SCHEMA, "resource_methods": ["GET", "POST"]}
    settings: dict[str, Any] = {
        "MONGO_URI": os.environ["BENCH_URI"].replace("/?", "/bench?"),
        "MONGO_WRITE_CONCERN": {"w": "majority"},  # as all others do: the driver's default, not Eve's w: 1
        "PAGINATION_LIMIT": 1000,
        "DOMAIN": {
            "eve_films": resource | {"url": "films", "item_url": "int", "item_lookup_field": "n"},
            "inserts": resource,
        },
    }
    return Eve(auth=_KeyAuth, settings=settings | (_LEAN if lean else {}))
