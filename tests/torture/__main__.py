"""Makes trouble of all kinds, or of some: `make torture T="failover overload"`."""

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.torture.failover import failover, restarts
from tests.torture.functions import functions
from tests.torture.fuzz import fuzz
from tests.torture.heavy import heavy
from tests.torture.hostile import hostile
from tests.torture.neighbours import neighbours
from tests.torture.overload import overload
from tests.torture.place import Place
from tests.torture.promises import WHOLE_RUN
from tests.torture.report import Row, table
from tests.torture.slow import slow
from tests.torture.soak import soak
from tests.torture.valkey import valkey

CASES = 50_000

PARTS: dict[str, Callable[[Place], Awaitable[list[Row]]]] = {
    "failover": failover,
    "restarts": restarts,
    "neighbours": neighbours,
    "overload": overload,
    "heavy": heavy,
    "slow": slow,
    "hostile": hostile,
    "valkey": valkey,
    "fuzz": fuzz,
    "functions": functions,
    "soak": soak,
}


def main() -> int:
    """Print the table of figures; return 1 if one of them falls short."""
    parser = argparse.ArgumentParser(prog="tests.torture")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)}; all unless named")
    parser.add_argument("--cases", type=int, default=CASES, help="of the fuzzer; a tenth of them go over HTTP")
    parser.add_argument("--seed", type=int, default=0, help="of random requests and bytes")
    parser.add_argument("--pace", type=float, default=1.0, help="below 1 it takes less time, and proves less")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of its own is made in it
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=memory, ignore_cleanup_errors=True) as folder:
        place = Place(Path(folder), options.pace, options.cases, options.seed)
        rows = asyncio.run(_run(place, options.parts or list(PARTS)))
    if not options.parts:
        rows.append(WHOLE_RUN.row("all parts", (time.monotonic() - started) / 60))
    _say(f"\n{table(rows)}")
    return 0 if all(row.ok for row in rows) else 1


async def _run(place: Place, names: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        started = time.monotonic()
        try:
            rows += await PARTS[name](place)
        except Exception:  # noqa: BLE001  the figures of the others are wanted, too
            rows.append(
                Row(name, "", "cannot be measured", ok=False, details=tuple(traceback.format_exc().splitlines()))
            )
        _say(f"{name} took {time.monotonic() - started:.0f} s")
    return rows


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
