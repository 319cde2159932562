"""What runs of JavaScript say and are told."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple


class Line(NamedTuple):
    """What a run says: a word, the frame that it is of, a number of its own, and JSON."""

    word: str
    frame: int
    id: int
    text: str


class Answer(NamedTuple):
    """What a run is told: the number of the line that asked, whether it is a result, and its Extended JSON."""

    id: int
    is_result: bool
    text: str


class Frame(NamedTuple):
    """One call of a function in a run."""

    id: int
    name: str


class Texts(NamedTuple):
    """Texts by their names, joined: a run is given all in no time, and cuts out those that it needs."""

    places: str = "{}"
    """JSON: by each name where its text begins and ends, in units of UTF-16, what is known of it, its lines."""

    text: str = ""

    @classmethod
    def of(cls, texts: Mapping[str, str], known: Mapping[str, Any] | None = None) -> "Texts":
        """Join texts; `known` is what else is known of some."""
        index: dict[str, list[Any]] = {}
        at = 0
        for name, text in texts.items():
            end = at + len(text.encode("utf-16-le")) // 2
            index[name] = [at, end, (known or {}).get(name), text.count("\n") + 1]
            at = end
        return cls(json.dumps(index, separators=(",", ":")), "".join(texts.values()))

    def beside(self, name: str, text: str) -> "Texts":
        """Return the same with another text, of which nothing is known."""
        at = len(self.text.encode("utf-16-le")) // 2
        place = [at, at + len(text.encode("utf-16-le")) // 2, None, text.count("\n") + 1]
        return Texts(json.dumps(json.loads(self.places) | {name: place}, separators=(",", ":")), self.text + text)


class Started(NamedTuple):
    """What a run begins with; what is not text of programs is Extended JSON."""

    name: str
    is_system: bool | None
    call: str
    """The caller, the request and what ids begin with."""

    app: str
    functions: Texts
    packages: Texts
    arguments: str
