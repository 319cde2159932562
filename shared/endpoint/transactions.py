"""Several actions in one transaction: each is the action that it would be by itself, and may use earlier replies."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import bson
from bson.errors import BSONError
from pymongo.errors import PyMongoError

from shared.access.protocol import TRUNCATED, Reply
from shared.documents import ejson, large_bodies, pointers, replies
from shared.documents.ejson import Document
from shared.documents.pointers import Pointer, PointerError
from shared.errors import (
    DataAPIError,
    InvalidJSONError,
    InvalidParameterError,
    MissingParameterError,
    ReadTooLargeError,
)
from shared.guard.walk import nested
from shared.mongo.refusals import translated
from shared.requests import wrong_type

if TYPE_CHECKING:
    from shared.endpoint.actions import Action, Call
    from shared.service import Service

_NAMESPACE = ("dataSource", "database", "collection")
_FIXED = frozenset({"action", "references", *_NAMESPACE})
_STORED = frozenset({"document", "documents", "replacement"})
_SHOWN = 200  # characters of what a caller sent, in an error's text


class Reference(NamedTuple):
    """What of an operation comes from the reply of an earlier one."""

    text: str
    target: Pointer
    place: int
    source: Pointer


class Operation(NamedTuple):
    """One action of a transaction."""

    action: "Action"
    body: Document
    references: Sequence[Reference]


class Transaction:
    """The operations of one call."""

    def __init__(self, call: "Call", service: "Service", given: Sequence[Any], actions: Mapping[str, "Action"]) -> None:
        """Take the call, and the actions that operations can be; raise for operations that cannot be begun."""
        self._call = call
        self._service = service
        settings = service.settings
        most = settings.max_transaction_operations
        if not 1 <= len(given) <= most:
            raise InvalidParameterError(
                f"'operations' must hold 1 to {most}: MAX_TRANSACTION_OPERATIONS allows no more"
            )
        self._refuse_bytes(call.size)
        self._operations = [self._operation(place, each, actions) for place, each in enumerate(given)]
        self._referred = {each.place for operation in self._operations for each in operation.references}

    @property
    def data_source(self) -> str:
        """The data source that all operations have."""
        name: str = self._operations[0].body["dataSource"]
        return name

    @property
    def namespaces(self) -> list[str]:
        """Where operations read or write, each once."""
        return sorted({_namespace(each) for each in self._operations})

    @property
    def written(self) -> list[str]:
        """Where operations write."""
        return [_namespace(each) for each in self._operations if not each.action.reads]

    async def attempt(self) -> Reply:
        """Do all operations in their order, inside the transaction, and return their replies."""
        made: list[Reply] = []
        values: dict[int, Any] = {}
        conditions, size, brought = 0, 0, self._call.size
        for place, operation in enumerate(self._operations):
            is_referred = place in self._referred
            with _about(place):
                brought += _resolved(operation, values)
                self._refuse_bytes(brought)
                form = "EJSON" if is_referred else self._call.form
                part = await self._call.part(operation.action.name, operation.body, form)
                reply = await operation.action.handle(part)
                conditions += part.conditions
                self._service.complexity.operations(conditions, place + 1)
                size += reply.size
                if size > self._service.settings.max_read_bytes:
                    raise ReadTooLargeError(f"the replies exceed {self._service.settings.max_read_bytes} bytes")
                if is_referred:
                    values[place] = _values(reply)
                    reply = reply._replace(
                        parts=[replies.reply(values[place], self._call.form, self._service.transcoder.writer)]
                    )
            made.append(reply)
        parts = [part for reply in made for part in (b",", *reply.parts)]
        written = [each for each, operation in zip(made, self._operations, strict=True) if not operation.action.reads]
        return Reply(
            [b'{"replies":[', *parts[1:], b"]}"], _documents(made), affected=_documents(written), headers=_cut(made)
        )

    def _operation(self, place: int, given: Any, actions: Mapping[str, "Action"]) -> Operation:
        if type(given) is not dict:
            raise wrong_type(f"operations[{place}]", given, Document)
        with _about(place):
            name = given.get("action")
            if type(name) is not str or name not in actions:
                raise InvalidParameterError(f"'action' must be one of {', '.join(actions)}")
            shared = {member: self._call.body[member] for member in _NAMESPACE if member in self._call.body}
            body = shared | {member: value for member, value in given.items() if value is not None}
            self._refuse_source(body.get("dataSource"))
            return Operation(actions[name], body, _references(place, body.get("references", {})))

    def _refuse_source(self, name: Any) -> None:
        first = self._call.body.get("dataSource", name)
        if name is None:
            raise MissingParameterError("must provide a 'dataSource' field")
        if type(name) is not str or type(first) is not str:
            raise wrong_type("dataSource", name if type(name) is not str else first, str)
        settings = self._service.settings
        if settings.data_source_uri(name) != settings.data_source_uri(first):
            raise InvalidParameterError("'dataSource': a transaction has one data source, that of the call")

    def _refuse_bytes(self, size: int) -> None:
        most = self._service.settings.max_transaction_bytes
        if size > most:
            raise InvalidParameterError(f"the transaction is too large: MAX_TRANSACTION_BYTES allows {most}")


def _cut(made: Sequence[Reply]) -> dict[str, str]:
    """Return what is said of replies that a limit cut, and which operations they are of."""
    said = [(each.headers.get(TRUNCATED), place) for place, each in enumerate(made)]
    texts = [f"{text};operation={place}" for text, place in said if text is not None]
    return {TRUNCATED: ", ".join(texts)} if texts else {}


def _documents(made: Sequence[Reply]) -> int:
    return sum(each.documents or 0 for each in made)


def _namespace(operation: Operation) -> str:
    return ".".join(str(operation.body[name]) for name in ("database", "collection") if operation.body.get(name))


@contextmanager
def _about(place: int) -> Iterator[None]:
    """Say of a refusal which operation it is about; what MongoDB may do another time is left to the driver."""
    try:
        yield
    except DataAPIError as error:
        _blame(error, place)
        raise
    except (PyMongoError, BSONError) as error:
        refusal = translated(error)
        if isinstance(refusal, DataAPIError) and _blame(refusal, place):
            raise refusal from error
        raise


def _blame(error: DataAPIError, place: int) -> bool:
    """Say in an error which operation it is about, if it is the operation's own."""
    is_own = error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_own:
        error.at(f"operations[{place}]").members = {"index": b"%d" % place}
    return is_own


def _references(place: int, given: Any) -> list[Reference]:
    if type(given) is not dict:
        raise wrong_type("references", given, dict)
    return [_reference(place, target, source) for target, source in given.items()]


def _reference(place: int, target: str, source: Any) -> Reference:
    text = f"'references': '{target[:_SHOWN]}'"
    try:
        into, out_of = pointers.pointer(target), pointers.pointer(source)
        index = pointers.found([*range(place)], out_of[:1])
    except PointerError as error:
        raise InvalidParameterError(
            f"{text}: both must be JSON Pointers, to a member of the operation and into an earlier reply"
        ) from error
    if into[0] in _FIXED:
        raise InvalidParameterError(f"{text}: '{into[0]}' must be in the operation itself")
    return Reference(text, into, index, out_of[1:])


def _resolved(operation: Operation, values: Mapping[int, Any]) -> int:
    """Put what comes from earlier replies into an operation, and return how many bytes that are."""
    size = 0
    for text, target, place, source in operation.references:
        try:
            value = pointers.found(values[place], source)
            if target[0] not in _STORED and not _is_plain(value):
                raise InvalidParameterError(f"{text}: a name or a text that begins with '$' is stored only")
            pointers.put(operation.body, target, value)
        except PointerError as error:
            raise InvalidParameterError(f"{text}: one of both leads nowhere") from error
        size += len(bson.encode({"": value}))
    return size


def _is_plain(value: Any) -> bool:
    """Tell whether a value is nothing that MongoDB could interpret."""
    for each in nested([value], texts=True):
        if any(name.startswith("$") for name in ([each] if type(each) is str else each)):
            return False
    return True


def _values(reply: Reply) -> Any:
    """Return the members of a reply that was made as Extended JSON, with their types."""
    if reply.size >= large_bodies.LARGE:
        raise InvalidParameterError(f"a reply that is referred to must have less than {large_bodies.LARGE} bytes")
    if reply.members is not None:
        return reply.members
    try:
        return ejson.loads(reply.body)
    except InvalidJSONError as error:  # a stored name is that of a wrapper
        raise InvalidParameterError("the reply cannot be referred to: it holds names of Extended JSON") from error
