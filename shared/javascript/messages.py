"""What runs of JavaScript say and are told."""

from typing import NamedTuple


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
