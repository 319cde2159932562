"""Documents changed where rules hide them, for as long as nobody shall find that out."""

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.twins.documents import INNER, NAMES, inner, scalar, value
from tests.twins.oracle import Oracle, Shown
from tests.twins.plain import Document
from tests.twins.twin import are_twins

_TRIES = 14


def mutated(random: Random, oracle: Oracle, document: Document, matched: bool, schema: Document, mode: str) -> Document:
    """Return the twin of a document, which may be the same; `matched` tells whether the filters' queries find it."""
    twin = document
    for _ in range(_TRIES):
        changed = copy.deepcopy(twin)
        _mutate(random, changed, oracle.shown(changed) if matched else False)
        if are_twins(oracle, document, changed, matched, schema, mode):
            twin = changed
    return twin


def _mutate(random: Random, document: Document, shown: Shown) -> None:
    """Change something that is hidden in a document."""
    places = list(_hidden(document, shown))
    if not places:
        return
    holder, key = random.choice(places)
    if key is None:
        _add(random, holder)
    elif random.random() < 0.15 and not (isinstance(holder, dict) and key == "_id"):
        del holder[key]
    else:
        holder[key] = _other(random, holder[key])


def _hidden(value: Any, shown: Shown) -> Iterator[tuple[Any, Any]]:
    """Give the places of hidden values, with those in them, and of what could be hidden beside them."""
    items: Any = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    if isinstance(value, dict | list) and shown is not True:
        yield value, None
    for key, each in items:
        part = shown[key] if isinstance(shown, dict | list) else shown
        if part is False:
            yield value, key
        if part is not True:
            yield from _hidden(each, part)


def _add(random: Random, holder: Any) -> None:
    if isinstance(holder, list):
        holder.insert(random.randrange(len(holder) + 1), value(random))
        return
    name = random.choice(NAMES if "_id" in holder else INNER)
    members = [*holder.items()]
    if name not in holder:
        members.insert(random.randrange(len(members) + 1), (name, value(random)))
    holder.clear()
    holder.update(members)


def _other(random: Random, old: Any) -> Any:
    kind = random.random()
    if isinstance(old, int | float) and not isinstance(old, bool) and kind < 0.3:
        return old + random.choice([-1, 1, 5])
    if kind < 0.65:
        return scalar(random)
    return inner(random) if kind < 0.8 else value(random)
