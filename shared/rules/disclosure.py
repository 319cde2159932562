"""What a caller may be told of a write that a schema refuses: nothing of what the rules hide."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.rules.schema import Failure
from shared.rules.values import Path

if TYPE_CHECKING:  # it is given rights, and makes none
    from shared.rules.ruleset import Rights


def disclosed(
    failures: Iterable[Failure], rights: "Rights", documents: Sequence[Mapping[str, Any]]
) -> Iterator[Failure]:
    """Give the failures at paths that the caller may read, were they there or not, in each of the documents.

    Those are the document before a write, if there is one, and after it. Positions in arrays do not count: what an
    element hides, the others hide, too.
    """
    readable: dict[Path, bool] = {}
    for failure in failures:
        paths = [_names(each) for each in (failure.path, *failure.asked)]
        for names in paths:
            if names not in readable:
                readable[names] = _is_readable(names, rights, documents)
        if all(readable[names] for names in paths):
            yield failure


def _names(steps: tuple[str | int, ...]) -> Path:
    return tuple(step for step in steps if isinstance(step, str))


def _is_readable(names: Path, rights: "Rights", documents: Sequence[Mapping[str, Any]]) -> bool:
    if rights.shows_everything:
        return all(rights.mask(document) is not None for document in documents)
    if not names:  # that nothing is hidden now would be no answer: it would tell that what could be is not there
        return False
    if rights.projection is not None and not rights.projection.part.always_covers_member(names):
        return False
    return all(rights.mask(document, [names]) is not None for document in documents)
