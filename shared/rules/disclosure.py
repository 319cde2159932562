"""What a caller may be told of a write that a schema refuses: nothing of what the rules hide."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.rules.schema import Failure
from shared.rules.values import Path

_MOST_LOOKED_AT = 1_000

if TYPE_CHECKING:  # it is given rights, and makes none
    from shared.rules.ruleset import Rights


def disclosed(
    failures: Iterable[Failure], rights: "Rights", documents: Sequence[Mapping[str, Any]]
) -> Iterator[Failure]:
    """Give the failures at paths that the caller may read, were they there or not, in each of the documents.

    Those are the document before a write, if there is one, and after it. Positions in arrays do not count: what an
    element hides, the others hide, too.
    """
    readers = [rights.reader(document) for document in documents]
    readable: dict[Path, bool] = {}
    for failure in islice(failures, _MOST_LOOKED_AT):
        paths = [_names(each) for each in (failure.path, *failure.asked)]
        for names in paths:
            if names not in readable:
                readable[names] = _is_left(names, rights) and all(reads(names) for reads in readers)
        if all(readable[names] for names in paths):
            yield failure


def _names(steps: tuple[str | int, ...]) -> Path:
    return tuple(step for step in steps if isinstance(step, str))


def _is_left(names: Path, rights: "Rights") -> bool:
    """Tell whether a path is of what filters leave; that nothing of a whole document is hidden now is no answer."""
    if rights.shows_everything:
        return True
    if not names:
        return False
    return rights.projection is None or rights.projection.part.always_covers_member(names)
