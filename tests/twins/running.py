"""Case after case until enough calls were asked."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from random import Random

from tests.twins.plain import Document
from tests.twins.shrinking import Check, Found, shrunk
from tests.twins.world import Case, Difference

_LOOKED_AT = 5
_REASON = re.compile(rb'"error":"([^"]{,60})')


class Totals:
    """What a run came to."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.cases = 0
        self.skipped = 0
        self.calls = 0
        self.kinds: Counter[str] = Counter()

    def __str__(self) -> str:
        world = self.check.world
        answers = ", ".join(f"{count} of {status}" for status, count in sorted(world.statuses.items()))
        kinds = "".join(f"\n{count:6} times {kind}" for kind, count in self.kinds.most_common())
        return (
            f"{self.calls} calls in {self.cases} cases, {self.skipped} more were none: {answers}; "
            f"{world.changed} changed something; {self.kinds.total()} showed a difference{kinds}"
        )

    @property
    def useful(self) -> float:
        """The share of calls that were not refused."""
        statuses = self.check.world.statuses
        return sum(count for status, count in statuses.items() if status < 300) / max(statuses.total(), 1)


async def run(
    totals: Totals, seed: str, calls: int, first: int = 0, looked_at: int = _LOOKED_AT
) -> AsyncIterator[Found]:
    """Ask calls of cases, and give the differences that they show, shrunk, each kind once.

    Only so many that look alike are looked at, because shrinking takes seconds.
    """
    number, check = first, totals.check
    signatures: set[str] = set()
    while totals.calls < calls:
        random = Random(f"{seed} {number}")
        number += 1
        case = await check.case(random)
        if case is None:
            totals.skipped += 1
            continue
        totals.cases += 1
        for call in check.calls(random, case):
            totals.calls += 1
            different = await check.compare(case, call)
            if different is None or not await _is_steady(check, case, call, different):
                continue
            kind = _kind(call, different)
            totals.kinds[kind] += 1
            if totals.kinds[kind] <= looked_at:
                before = check.world.statuses.copy(), check.world.changed
                found = await shrunk(check, Found(number - 1, case, call, different))
                check.world.statuses, check.world.changed = before
                if found.signature not in signatures:
                    signatures.add(found.signature)
                    yield found
                break  # shrinking serves other cases


async def _is_steady(check: Check, case: Case, call: Document, different: Difference) -> bool:
    """Tell whether the same comes again: MongoDB may give groups in any order."""
    for _ in range(3):
        if repr(await check.compare(case, call)) != repr(different):
            return False
    return True


def _kind(call: Document, different: Difference) -> str:
    """Return what a difference has in common with others of its kind."""
    sides = [different.one, different.other]
    answers = [
        f"{each.status} {(found := _REASON.search(each.body)) and found[1].decode()}"
        for each in sides
        if hasattr(each, "body")
    ]
    return f"{call['action']}: {different.kind}: {' / '.join(sorted(answers))}"
