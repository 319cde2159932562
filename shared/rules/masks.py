"""Which parts of a document are visible: all of it, or a tree of names; applied to the document in any rendering.

A mask is only the outcome: visibility.py decides.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from shared.documents.elements import array_of, document_of, spans

WHOLE: Final = True
"""The mask of what is visible as a whole."""

type Mask = Literal[True] | dict[str, Mask] | list[Mask | None]
"""WHOLE, the visible members of a document, or those of each element of an array; None hides an element."""


def cut(value: Any, mask: Mask) -> Any:
    """Return the visible part of a value that has the structure the mask was made for."""
    if mask is WHOLE:
        return value
    if isinstance(mask, dict):
        return {
            name: each if mask[name] is WHOLE else cut(each, mask[name]) for name, each in value.items() if name in mask
        }
    return [cut(each, part) for each, part in zip(value, mask, strict=True) if part is not None]


def cut_stored(document: bytes, mask: Mask) -> bytes:
    """Return the visible part of a stored document or array, byte for byte; of members of one name the last."""
    if mask is WHOLE:
        return document
    if isinstance(mask, dict):
        kept: dict[bytes, bytes] = {}
        for name, start, value, end in spans(document):
            part = mask.get(name.decode(errors="replace"))
            if part is not None:
                kept[name] = document[start:value] + _cut_value(document[value:end], part)
        return document_of(b"".join(kept.values()))
    elements = [
        (document[start], _cut_value(document[value:end], part))
        for (_, start, value, end), part in zip(spans(document), mask, strict=True)
        if part is not None
    ]
    return array_of(elements)


def _cut_value(value: bytes, mask: Mask) -> bytes:
    return value if mask is WHOLE else cut_stored(value, mask)


def is_complete(mask: Mask | None, value: Any) -> bool:
    """Tell whether a mask hides nothing of a value."""
    if mask is None or mask is WHOLE:
        return mask is WHOLE
    if isinstance(mask, dict):
        return isinstance(value, Mapping) and all(is_complete(mask.get(name), each) for name, each in value.items())
    return all(is_complete(part, each) for part, each in zip(mask, value, strict=True))
