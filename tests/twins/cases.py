"""Random cases, each with its calls: the same for the same seed."""

from collections.abc import Iterator
from random import Random

from tests.twins import calls, rules
from tests.twins.comparing import Case, Comparison, oracle_of
from tests.twins.documents import document
from tests.twins.mutations import mutated
from tests.twins.oracle import Oracle, cut
from tests.twins.plain import Document

CALLS = 40
"""How many calls each case is asked."""


async def case(random: Random, comparison: Comparison) -> Case | None:
    """Return a case, None if its rules hide nothing or nothing of them can be used."""
    composed_id = random.random() < 0.15
    ones = [document(random, number + 1, composed_id=composed_id) for number in range(random.randrange(2, 7))]
    mode = random.choice(["read", "write"])
    collection = "folded" if random.random() < 0.15 else "plain"
    schema = rules.schema(random) if mode == "write" and random.random() < 0.2 else {}
    made = Case(collection, mode, rules.rules(random), schema, ones, ones)
    if not await comparison.begin(made):
        return None
    oracle = oracle_of(made)
    matched = await comparison.matched(made, 0, oracle.queries)
    made = made._replace(
        others=[
            mutated(random, oracle, each, any(found), schema, mode) for each, found in zip(ones, matched, strict=True)
        ]
    )
    is_other = repr(made.ones) != repr(made.others)
    return made if is_other and await comparison.begin(made) else None


def calls_of(random: Random, made: Case) -> Iterator[Document]:
    """Give calls that attack what the twins differ in."""
    pool = _pool(made)
    for _ in range(CALLS):
        yield calls.call(random, pool, calls.READS if made.mode == "read" else calls.ALL)


def _pool(made: Case) -> calls.Pool:
    oracle: Oracle = oracle_of(made)
    visible: dict[str, None] = {}
    hidden: dict[str, None] = {}
    values = []
    for one, other in zip(made.ones, made.others, strict=True):
        shown = oracle.shown(one)
        if shown is not False:
            visible |= dict.fromkeys(path for path, _ in calls.paths(cut(one, shown)))
        paths = [dict(calls.paths(each)) for each in (one, other)]
        for path in {**paths[0], **paths[1]}:
            first, second = (each.get(path, ...) for each in paths)
            if repr(first) != repr(second):
                hidden[path] = None
                values += [each for each in (first, second) if each is not ... and path != "_id"]
    composed_id = isinstance(made.ones[0]["_id"], dict)
    return calls.Pool(list(visible), list(hidden), values, composed_id)
