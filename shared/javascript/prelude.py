"""What is in a context before a function is: little, and parts that are read where they are first needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shared.javascript.messages import Texts

NODE_MODULES = (
    "assert", "buffer", "crypto", "events", "path", "process", "querystring", "string_decoder", "timers", "url", "util",
)  # fmt: skip
"""The modules of Node that functions may require: files of `node/`, which see nothing of the prelude."""

GLOBALS = {"Buffer": "buffer", "URL": "url", "URLSearchParams": "url", "process": "process"}
"""The globals of Node, and the modules that they are of."""

# A parenthesis before it would make the engine read all of it twice. What is called `eval` must be what it was.
_FIRST = """0 || function (eval) {{
return function () {{
"use strict";
{text}
return host;
}}()
}}(eval)"""
_PART = "() => {{\n{text}\n}}"


class Prelude(NamedTuple):
    """The text that every context begins with, and its parts."""

    text: str
    """JavaScript that evaluates to what the process calls."""

    parts: Texts
    lines: int
    """More than any of these has: the lines of functions follow."""

    @classmethod
    def of(cls, *first: str, parts: Mapping[str, str]) -> "Prelude":
        """Make it of the texts that are read at once, and of those by their names that are read if needed."""
        text = _FIRST.format(text=_bare("\n".join(first)))
        wrapped = {name: _PART.format(text=_bare(each)) for name, each in parts.items()}
        lines = max(each.count("\n") for each in (text, *wrapped.values())) + 1
        return cls(text, Texts.of(wrapped), lines)


def node_module(name: str) -> str:
    """Return the source of a module of Node."""
    return _bare((Path(__file__).parent / "node" / f"{name}.js").read_text())


def _bare(text: str) -> str:
    """Leave out lines that are comments, and the indentation, both of which no string here goes over."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/**")))
