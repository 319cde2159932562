"""Operands compiled: literals, expansions such as `%%user.id`, and converters such as `%stringToOid`."""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple
from uuid import UUID

from bson.binary import Binary
from bson.errors import InvalidId
from bson.objectid import ObjectId

from shared.rules.compiler.members import like
from shared.rules.expressions import Called, Context, NoAnswerError, Operand
from shared.rules.report import Report
from shared.rules.values import MISSING, Many, Path, array_index, path, walk

_TEXTS = ("id", "type")
REQUEST_MEMBERS = frozenset({
    "httpMethod", "httpReferrer", "httpUserAgent", "rawQueryString", "remoteIPAddress", "requestHeaders", "service",
    "action", "webhookUrl",
})  # fmt: skip
_OF_CALL = {
    "user": frozenset({*_TEXTS, "data", "custom_data", "identities"}),
    "request": REQUEST_MEMBERS,
}  # fmt: skip
_IDENTITY = frozenset({"id", "provider_type", "providerType", "provider_id"})
_UNDEFINED = "it is undefined for every caller and equals nothing: a condition that asks for it holds for nobody"
_UUID_SUBTYPE = 4

FUNCTION = "function"
"""What asks a function of the app, without its prefix."""


class Scope(IntEnum):
    """Which expansions mean something where an expression stands: each has those of the ones before it."""

    CALL = 0  # %%user, %%request, %%values, %%environment
    DOCUMENT = 1  # %%root, %%prevRoot, and paths of their own
    FIELD = 2  # %%this, %%prev


class Constants(NamedTuple):
    """What expansions mean for the whole life of an app: `values` by name, `environment` with `tag` and `values`."""

    values: Mapping[str, Any] = {}
    environment: Mapping[str, Any] = {}
    is_complete: bool = True
    """Whether they are all that the app says: no file of them is broken."""

    functions: frozenset[str] = frozenset()
    """The names of the app's functions."""

    user_data: frozenset[str] | None = None
    """The members that logins give `%%user.data`, None if that is not known."""


def literal(value: Any) -> Operand:
    """Return an operand that is always the same."""
    return Operand(lambda _context: value, is_known=True)


def compile_key(key: str, scope: Scope, constants: Constants, report: Report) -> Operand:
    """Return the operand of an expression's key: an expansion, or a path into the document."""
    if key.startswith("%%"):
        return _expansion(key, scope, constants, report)
    if scope < Scope.DOCUMENT:
        report.problem(f"'{key}' is a field, but there is no document here: use %%user, %%request or %%values")
    return _root(path(key), key)


def compile_value(source: Any, scope: Scope, constants: Constants, report: Report) -> Operand:
    """Return the operand of an expression's value; expansions and converters count at any depth of it."""
    if isinstance(source, str) and source.startswith("%%"):
        return _expansion(source, scope, constants, report)
    if isinstance(source, list):
        return _built([compile_value(each, scope, constants, report) for each in source], list)
    if isinstance(source, dict):
        if len(source) == 1 and _is_computed(name := next(iter(source))):
            if name[1:] == FUNCTION:
                return compile_call(source[name], scope, constants, report.at(name))
            return _converted(name, source[name], scope, constants, report)
        members = [compile_value(each, scope, constants, report) for each in source.values()]
        return _built(members, lambda values: dict(zip(source, values, strict=True)))
    if type(source) is str:
        _check_text(source, report)
    return literal(source)


def _is_computed(name: str) -> bool:
    return name[:1] in {"%", "$"} and (name[1:] in CONVERTERS or name[1:] == FUNCTION)


def _check_text(text: str, report: Report) -> None:
    if _ONE_PERCENT.match(text):
        report.problem(f"'{text}' is a text: an expansion starts with two %")
    elif _INSIDE.match(text):
        sentence = f"'{text}' is taken as it stands: an expansion counts only if it is the whole text"
        report.warning(sentence, "callers are compared with this very text")


def _built(members: list[Operand], build: Callable[[list[Any]], Any]) -> Operand:
    def get(context: Context) -> Any:
        values = [member.get(context) for member in members]
        return MISSING if any(value is MISSING for value in values) else build(values)

    return _operand(get, members)


def _operand(get: Callable[[Context], Any], parts: Sequence[Operand], *called: Called) -> Operand:
    """Return an operand that follows from others."""
    return Operand(
        get,
        is_known=all(each.is_known for each in parts),
        is_of_field=any(each.is_of_field for each in parts),
        called=[*(name for each in parts for name in each.called), *called],
    )


def compile_call(source: Any, scope: Scope, constants: Constants, report: Report) -> Operand:
    """Return the operand that is what a function of the app answers."""
    name = source.get("name") if isinstance(source, dict) else None
    given = source.get("arguments", []) if isinstance(source, dict) else None
    if not isinstance(name, str) or not isinstance(given, list):
        report.problem("'function' takes an object with the function's name and its arguments")
        name, given = str(name), []
    at = report.at("arguments")
    arguments = [_argument(each, scope, constants, at.at(position)) for position, each in enumerate(given)]
    called = Called(name, name in constants.functions)

    def get(context: Context) -> Any:
        answers = context.answers
        if answers is None or not called.is_there:
            raise NoAnswerError(name)
        answer = answers.of(name, [_given(each.get(context)) for each in arguments])
        if answer is MISSING:
            raise answers.odd(name, "it returned nothing")
        return answer

    return _operand(get, arguments, called)


def _argument(source: Any, scope: Scope, constants: Constants, report: Report) -> Operand:
    """Compile an argument, in which expansions that are undefined are left out, or null where they stand in a list."""
    if isinstance(source, list):
        elements = [_argument(each, scope, constants, report) for each in source]
        return _operand(lambda context: [_or_null(each.get(context)) for each in elements], elements)
    if not isinstance(source, dict) or (len(source) == 1 and _is_computed(next(iter(source)))):
        return compile_value(source, scope, constants, report)
    members = {name: _argument(each, scope, constants, report) for name, each in source.items()}

    def get(context: Context) -> Any:
        values = {name: _given(each.get(context)) for name, each in members.items()}
        return {name: value for name, value in values.items() if value is not MISSING}

    return _operand(get, [*members.values()])


def _given(value: Any) -> Any:
    return list(value) if type(value) is Many else value


def _or_null(value: Any) -> Any:
    return None if value is MISSING else _given(value)


def _converted(name: str, source: Any, scope: Scope, constants: Constants, report: Report) -> Operand:
    if isinstance(source, dict | list):
        report.problem(f"'{name}' takes a literal or an expansion, nothing nested")
        return literal(MISSING)
    convert = CONVERTERS[name[1:]]
    given = compile_value(source, scope, constants, report)
    if not isinstance(source, str) or not source.startswith("%%"):
        converted = convert(source)
        if converted is MISSING:
            report.problem(f"'{name}' cannot convert its operand")
        return literal(converted)
    return _operand(lambda context: convert(given.get(context)), [given])


def _expansion(text: str, scope: Scope, constants: Constants, report: Report) -> Operand:
    name, *rest = text[2:].split(".")
    parts = tuple(rest)
    if text.endswith("%%"):
        report.warning(f"'{text}' is no expansion: leave the %% at its end out", _UNDEFINED)
        return literal(MISSING)
    if name in {"true", "false"} and not parts:
        return literal(name == "true")
    if name in {"values", "environment"}:
        return _constant(text, name, parts, constants, report)
    if name in _OF_CALL:
        _check_members(text, name, parts, constants, report)
        return _of_call(name, parts)
    if name in _OF_DOCUMENT:
        needed, slot = _OF_DOCUMENT[name]
        if scope < needed:
            report.problem(f"'{text}' means nothing here: {_WHERE[needed]}")
        return _root(parts, ".".join(parts)) if name == "root" and parts else _slot(slot, parts)
    report.problem(f"'{text}' is not an expansion that Dozen knows{like(name, _EXPANSIONS, '%%')}")
    return literal(MISSING)


def _constant(text: str, name: str, parts: Path, constants: Constants, report: Report) -> Operand:
    value = walk(constants.values if name == "values" else constants.environment, parts)
    if value is MISSING and constants.is_complete:
        sentence = f"'{text}' has no value: add it to the app's values or environments, or correct its name"
        report.problem(sentence, cause=text)
    return literal(value)


def _check_members(text: str, name: str, parts: Path, constants: Constants, report: Report) -> None:
    member, *inner = parts or ("",)
    if member and member not in _OF_CALL[name]:
        report.problem(f"'{text}' is not a member of %%{name}{like(member, _OF_CALL[name], f'%%{name}.')}")
    elif inner and (member in _TEXTS if name == "user" else member != "requestHeaders"):
        report.problem(f"'{text}' means nothing: %%{name}.{member} is a text and has no members")
    elif member == "data" and inner and constants.user_data is not None and inner[0] not in constants.user_data:
        hint = like(inner[0], constants.user_data, "%%user.data.")
        report.warning(f"no provider gives users '{text}'{hint}", _UNDEFINED)
    elif member == "identities" and not _IDENTITY.issuperset(each for each in inner if array_index(each) is None):
        report.warning(
            f"no identity of a user has '{text}'{like(inner[-1], _IDENTITY, '%%user.identities.')}", _UNDEFINED
        )


def _of_call(name: str, parts: Path) -> Operand:
    if name == "request":
        if parts[:1] == ("requestHeaders",):  # names of headers have no case, and may have dots
            parts = ("requestHeaders", ".".join(parts[1:]).lower()) if parts[1:] else parts
        return Operand(lambda context: walk(context.request, parts), is_known=True)
    if parts == ("id",):
        return Operand(lambda context: context.user.get("id", MISSING), is_known=True)
    return Operand(lambda context: walk(context.user, parts), is_known=True)


def _root(parts: Path, name: str) -> Operand:
    if len(parts) == 1:
        return Operand(_member(parts[0]), is_known=False, field=name)
    return Operand(_walked("root", parts), is_known=False, field=name)


def _member(name: str) -> Callable[[Context], Any]:
    def get(context: Context) -> Any:
        return context.root.get(name, MISSING) if type(context.root) is dict else walk(context.root, (name,))

    return get


def _slot(slot: str, parts: Path) -> Operand:
    if slot in {"root", "prev_root"}:
        return Operand(_walked(slot, parts), is_known=False)
    return Operand(lambda context: walk(getattr(context, slot), parts), is_known=False, is_of_field=True)


def _walked(slot: str, parts: Path) -> Callable[[Context], Any]:
    """Return what follows a path into a document, once for each document."""
    asked = (slot, parts)

    def get(context: Context) -> Any:
        if asked not in context.memo:
            context.memo[asked] = walk(getattr(context, slot), parts)
        return context.memo[asked]

    return get


def _string_to_oid(value: Any) -> Any:
    try:
        return ObjectId(value) if type(value) is str else MISSING
    except InvalidId:
        return MISSING


def _oid_to_string(value: Any) -> Any:
    return str(value) if type(value) is ObjectId else MISSING


def _string_to_uuid(value: Any) -> Any:
    try:
        return Binary(UUID(value).bytes, _UUID_SUBTYPE) if type(value) is str else MISSING
    except ValueError:
        return MISSING


def _uuid_to_string(value: Any) -> Any:
    is_uuid = type(value) is Binary and value.subtype == _UUID_SUBTYPE and len(value) == 16
    return str(UUID(bytes=bytes(value))) if is_uuid else MISSING


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "stringToOid": _string_to_oid,
    "oidToString": _oid_to_string,
    "stringToUuid": _string_to_uuid,
    "uuidToString": _uuid_to_string,
}
_OF_DOCUMENT = {
    "root": (Scope.DOCUMENT, "root"),
    "prevRoot": (Scope.DOCUMENT, "prev_root"),
    "this": (Scope.FIELD, "this"),
    "prev": (Scope.FIELD, "prev"),
}
_EXPANSIONS = ("true", "false", "values", "environment", *_OF_CALL, *_OF_DOCUMENT)
_NAMED = rf"(?:{'|'.join(_EXPANSIONS)})"
_ONE_PERCENT = re.compile(rf"%{_NAMED}(?:\.|\s*\Z)")
_INSIDE = re.compile(rf".+%%{_NAMED}\b", re.DOTALL)
_WHERE = {
    Scope.DOCUMENT: "there is no document here",
    Scope.FIELD: "only the rules of a field and a schema's 'validate' have one",
}
