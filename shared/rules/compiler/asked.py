"""Which parts of a document an expression asks about."""

from collections.abc import Iterator
from typing import Any

from shared.rules.compiler.operands import FUNCTION
from shared.rules.values import Path, path


def asked_paths(source: Any, this: Path | None = None) -> frozenset[Path]:
    """Return the paths that an expression names; () stands for the whole document.

    `this` is the path of the value that it is attached to; without it, `%%this` and `%%prev` are left out.
    """
    starts: dict[str, Path] = {"root": (), "prevRoot": ()}
    if this is not None:
        starts |= {"this": this, "prev": this}
    return frozenset((*starts[name], *parts) for name, *parts in _named(source) if name in starts)


def _named(source: Any) -> Iterator[Path]:
    """Give the expansions of an expression in parts; a field is `%%root` and its path."""
    if isinstance(source, list):
        for each in source:
            yield from _named(each)
    elif isinstance(source, dict):
        for key, value in source.items():
            if key[1:] == FUNCTION and key[:1] in {"%", "$"}:
                yield from _expansions(value)
            elif key[:2] == "%%":
                yield from _expansions(key)
                yield from _named(value) if key in {"%%true", "%%false"} else _expansions(value)
            elif key[:1] in {"%", "$"}:
                yield from _named(value)
            else:
                yield ("root", *path(key))
                yield from _expansions(value)
    else:
        yield from _expansions(source)


def _expansions(source: Any) -> Iterator[Path]:
    if isinstance(source, dict | list):
        for each in source.values() if isinstance(source, dict) else source:
            yield from _expansions(each)
    elif isinstance(source, str) and source[:2] == "%%":
        yield path(source[2:])
