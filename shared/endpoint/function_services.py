"""What functions ask of a data source beyond what the SDKs do: the names of databases and collections (pure)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from shared.access.protocol import Reply
from shared.auth.accounts import Caller
from shared.documents.ejson import Document
from shared.endpoint.service_calls import ServiceCall, service_call
from shared.errors import FunctionFailedError

_NAMES: Mapping[str, tuple[str, str]] = {
    "getCollectionNames": ("listCollections", "collections"),
    "getDBNames": ("listDatabases", "databases"),
}
"""The action of each method, and the member of its reply that has the names."""


class NamesCall(NamedTuple):
    """A call of a method that returns names: the action that it is, its body, the member of its reply."""

    action: str
    body: Document
    member: str

    def result_of(self, reply: Reply) -> Reply:
        """Return the names alone."""
        names = [each["name"] for each in orjson.loads(reply.body)[self.member]]
        return Reply([orjson.dumps(names)], reply.documents)


def asked_of(body: Mapping[str, Any], caller: Caller) -> ServiceCall | NamesCall:
    """Return what a function asks with the rights of a caller; raise FunctionFailedError for names that are not its."""
    name = body["name"]
    if name not in _NAMES:
        return service_call(body)
    if not caller.is_system:
        raise FunctionFailedError(f"'{name}' is for functions that run as the system")
    action, member = _NAMES[name]
    return NamesCall(action, {**body["arguments"][0], "dataSource": body["service"], "nameOnly": True}, member)
