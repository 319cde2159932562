"""Runs of JavaScript without a service: what a function returns, throws and asks."""

import json
from collections.abc import Mapping
from typing import Any

from shared.app.package_files import Nothing, PackageFiles
from shared.app.packages import Packages
from shared.javascript.engine import Engine
from shared.javascript.messages import Line, Started, Texts
from shared.javascript.script import Limits, Script
from shared.settings import Settings

ENGINE = Engine(Settings())
LIMITS = Limits(seconds=20, memory_bytes=64 << 20, cores=2)


def started(sources: Mapping[str, str], arguments: str = "[]", packages: Texts | None = None, **seen: Any) -> Started:
    """Return what a run of the function `f` begins with."""
    app = {"values": {}, "environment": {"tag": "", "values": {}}, "app": {}, "services": ["mongodb-atlas"]}
    call = {"objectIds": ENGINE.object_ids(), "user": {"id": "u"}, "request": {}}
    functions = Texts.of(sources, dict.fromkeys(sources))
    return Started(
        "f",
        False,
        json.dumps(call),
        json.dumps(app | seen),
        functions,
        packages or Packages(PackageFiles(Nothing())).texts(sources.values()),
        arguments,
    )


def began(source: str, arguments: str = "[]", limits: Limits = LIMITS, **others: str) -> tuple[Script, list[Line]]:
    """Run a function until it waits, and return what it said."""
    script = Script(ENGINE.prelude, limits)
    return script, script.start(started({"f": source, **others}, arguments))


def said(source: str, arguments: str = "[]", word: str = "result", **others: str) -> list[str]:
    """Return what a function said with a word."""
    return [line.text for line in began(source, arguments, LIMITS, **others)[1] if line.word == word]


def told(texts: Texts) -> dict[str, str]:
    """Return the texts that were joined, by their names."""
    units = texts.text.encode("utf-16-le")
    return {
        name: units[2 * begin : 2 * end].decode("utf-16-le")
        for name, (begin, end, *_) in json.loads(texts.places).items()
    }
