"""The methods of the service `mongodb-atlas`, by which the SDKs of App Services reach MongoDB, as actions (pure)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shared.access.protocol import Reply
from shared.app.model import App
from shared.documents.ejson import Document
from shared.errors import FunctionNotFoundError, InvalidParameterError, UnknownServiceError
from shared.writes import replacing

_MEMBERS = {"query": "filter", "project": "projection", "key": "fieldName", "operations": "requests"}
"""What SDKs name otherwise than the actions; they may send either name."""

_NEVER_NULL = frozenset({"replacement", "update"})
"""What is not the same as absent when it is null: it was to be written."""

_OF_DELETION = frozenset({"collection", "database", "dataSource", "filter", "projection", "sort"})
"""What one SDK sends with a findOneAndReplace that is to delete, and nothing else."""

WATCH = "watch"
"""The method whose result goes on, and which is called by GET."""

METHODS: Mapping[str, tuple[str, str | None]] = {
    "find": ("find", "documents"),
    "findOne": ("findOne", "document"),
    "aggregate": ("aggregate", "documents"),
    "count": ("countDocuments", "count"),
    "countDocuments": ("countDocuments", "count"),
    "distinct": ("distinct", "values"),
    "insertOne": ("insertOne", None),
    "insertMany": ("insertMany", None),
    "updateOne": ("updateOne", None),
    "updateMany": ("updateMany", None),
    "deleteOne": ("deleteOne", None),
    "deleteMany": ("deleteMany", None),
    "bulkWrite": ("bulkWrite", None),
    "findOneAndUpdate": ("findOneAndUpdate", "document"),
    "findOneAndReplace": ("findOneAndReplace", "document"),
    "findOneAndDelete": ("findOneAndDelete", "document"),
}
"""The action of each method, and the member of its reply that is the method's whole result, None for all of it."""


class ServiceCall(NamedTuple):
    """A call of a method: the action that it is, the body of that action, the member of the reply that is wanted."""

    action: str
    body: Document
    result: str | None

    @property
    def is_document(self) -> bool:
        """Whether the result is a document as it is stored, or null."""
        return self.result == "document"

    def result_of(self, reply: Reply) -> Reply:
        """Return a reply of the action in canonical Extended JSON as the method's result."""
        if self.result is None:
            return reply
        first, *others = reply.parts
        parts = [first.removeprefix(b'{"%b":' % self.result.encode()), *others]
        parts[-1] = parts[-1].removesuffix(b"}")
        if self.result == "count":  # which SDKs take for an int64
            parts = [part.replace(b'"$numberInt"', b'"$numberLong"') for part in parts]
        return reply._replace(parts=parts)


def refuse_unknown(app: App | None, service: str) -> None:
    """Raise UnknownServiceError for what the app has not: a name by mistake would reach the only data source."""
    if app is not None and app.data_source(service, is_only=False) is None:
        raise UnknownServiceError(f"service not found: '{service[:100]}'")


def service_call(body: Mapping[str, Any]) -> ServiceCall:
    """Return what the body of a functions/call asks for: `{"service", "name", "arguments": [{…}]}`.

    An update without operators replaces. A findOneAndReplace in which nothing speaks of a replacement deletes: one SDK
    sends its findOneAndDelete so. Raise InvalidParameterError for a method or an argument that the service has not.
    """
    name, service = _called(body)
    if name == WATCH:
        raise InvalidParameterError(f"'{WATCH}' is called by GET")
    if name not in METHODS:
        raise InvalidParameterError(f"'{name[:100]}' is not a method of a data source: {', '.join(METHODS)} are")
    argument = _argument(body)
    members = _members(argument)
    action, result = METHODS[name]
    if action == "findOneAndReplace" and _OF_DELETION.issuperset(_MEMBERS.get(each, each) for each in argument):
        action = "findOneAndDelete"
    action = _resolved(action, members)
    return ServiceCall(action, members | {"dataSource": service}, result)


def watch_call(body: Mapping[str, Any]) -> Document:
    """Return what the call of a watch asks for: its argument, with the data source."""
    if body.get("service") is None and type(body.get("name")) is str:
        raise FunctionNotFoundError(f"function not found: '{body['name'][:100]}': functions are called by POST")
    name, service = _called(body)
    if name != WATCH:
        raise InvalidParameterError(f"'{name[:100]}' is not called by GET, by which there is only '{WATCH}': use POST")
    return _argument(body) | {"dataSource": service}


def _called(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names of a method and of its data source."""
    name, service = body.get("name"), body.get("service")
    if type(name) is not str:
        raise InvalidParameterError("'name' must be the name of a function")
    if type(service) is not str:
        raise InvalidParameterError("'service' must be the name of a data source")
    return name, service


def _argument(body: Mapping[str, Any]) -> Document:
    arguments: Any = body.get("arguments")
    if type(arguments) is not list or len(arguments) != 1 or type(arguments[0]) is not dict:
        raise InvalidParameterError("'arguments' must hold one object")
    argument: Document = arguments[0]
    return argument


def _members(given: Document) -> Document:
    """Return the arguments by the names of the actions; raise InvalidParameterError for what would be passed over."""
    members: Document = {}
    for name, value in given.items():
        known = _MEMBERS.get(name, name)
        if value is None and known not in _NEVER_NULL:
            continue
        _refuse_twice(name, known, members)
        members[known] = value
    if "cursor" in members:
        raise InvalidParameterError("'cursor' is not an argument: the result is documents alone")
    if type(members.get("returnNewDocument", False)) is not bool:
        raise InvalidParameterError("'returnNewDocument' must be true or false")
    return members


def _resolved(action: str, members: Document) -> str:
    """Return the action that a method comes to, and give it the members that it has."""
    if action == "find":
        members.setdefault("limit", 0)
    if members.pop("returnNewDocument", False):
        _refuse_twice("returnNewDocument", "returnDocument", members)
        members["returnDocument"] = "After"
    update: Any = members.get("update")
    if action != "findOneAndReplace" and not _is_replacement(update):
        return action
    if action == "updateMany":
        members["update"] = replacing(update)
        return action
    if update is not None:
        _refuse_twice("update", "replacement", members)
        members["replacement"] = members.pop("update")
    return {"updateOne": "replaceOne", "findOneAndUpdate": "findOneAndReplace"}.get(action, action)


def _refuse_twice(name: str, known: str, members: Document) -> None:
    if known in members:
        raise InvalidParameterError(f"'{name}' is another name of an argument that is given, too")


def _is_replacement(update: Any) -> bool:
    return type(update) is dict and bool(update) and not any(name.startswith("$") for name in update)
