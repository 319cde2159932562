"""JSON Pointers (RFC 6901) into documents (pure)."""

import re
from typing import Any

from shared.documents.ejson import Document

_ESCAPE = re.compile(r"~[01]")
_WRONG_ESCAPE = re.compile(r"~(?![01])")
_POSITION = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_CHARACTERS = {"~0": "~", "~1": "/"}

type Pointer = tuple[str, ...]


class PointerError(Exception):
    """A text is no pointer, or leads nowhere; the text is for the caller."""


def pointer(text: Any) -> Pointer:
    """Return the names and positions that a pointer leads along; raise PointerError for what is none, or is empty."""
    if type(text) is not str or not text.startswith("/") or _WRONG_ESCAPE.search(text):
        raise PointerError("is no JSON Pointer such as /0/insertedId")
    return tuple(_ESCAPE.sub(lambda found: _CHARACTERS[found[0]], part) for part in text[1:].split("/"))


def found(value: Any, parts: Pointer) -> Any:
    """Return what a pointer leads to; raise PointerError if there is nothing."""
    for part in parts:
        value = value[_place(value, part)]
    return value


def put(document: Document, parts: Pointer, value: Any) -> None:
    """Put a value where a pointer leads to: a member that may be new, or an item that is there."""
    container = found(document, parts[:-1])
    container[parts[-1] if type(container) is dict else _place(container, parts[-1])] = value


def _place(container: Any, part: str) -> Any:
    if type(container) is dict and part in container:
        return part
    if type(container) is list and _POSITION.fullmatch(part) and int(part) < len(container):
        return int(part)
    raise PointerError("leads nowhere")
