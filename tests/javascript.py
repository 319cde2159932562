"""Runs of JavaScript without a service: what a function returns, throws and asks."""

import json
from typing import Any

from shared.javascript.engine import Engine
from shared.javascript.messages import Line
from shared.javascript.script import Limits, Script
from shared.settings import Settings

ENGINE = Engine(Settings())
LIMITS = Limits(seconds=20, memory_bytes=64 << 20, cores=2)


def setup(name: str = "f", functions: tuple[str, ...] = ("f",), **constants: Any) -> str:
    """Return what a run of a function begins with."""
    seen = {
        "functions": {each: {"isSystem": None} for each in functions},
        "values": {},
        "environment": {"tag": "", "values": {}},
        "app": {},
        "services": ["mongodb-atlas"],
    }
    call = {
        "name": name,
        "lines": ENGINE.prelude_lines,
        "objectIds": ENGINE.object_ids(),
        "user": {"id": "u"},
        "request": {},
    }
    return json.dumps({"constants": seen | constants, "call": call})


def began(source: str, arguments: str = "[]", limits: Limits = LIMITS, **others: str) -> tuple[Script, list[Line]]:
    """Run a function until it waits, and return what it said."""
    script = Script(ENGINE.prelude, limits)
    sources = {"f": source, **others}
    return script, script.start(setup(functions=tuple(sources)), json.dumps(sources), arguments)


def said(source: str, arguments: str = "[]", word: str = "result", **others: str) -> list[str]:
    """Return what a function said with a word."""
    return [line.text for line in began(source, arguments, LIMITS, **others)[1] if line.word == word]
