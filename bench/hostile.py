"""`python -m bench.hostile`: what bodies cost that are made to hurt: processor time and memory of a server for each."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench import films, machine
from bench.rivals import DOZEN, RIVALS, Server, Stable, make_key
from local import ports
from local.errors import LocalError
from local.mongod import Mongod

_PATH = "/app/bench/endpoint/data/v1/action/"
_NAMESPACE = '"dataSource":"bench","database":"films","collection":"films"'


def bodies() -> Iterator[tuple[str, str, str]]:
    """Give a name, an action and the members of a body."""
    for megabytes in (15, 30):
        for one in ("[]", '{"a":1}', '""'):
            yield f"{megabytes} MB of {one}", "find", f'"limit":1,"x":{_repeated(one, megabytes)}'
    yield "as many small objects as are read", "find", f'"limit":1,"x":{_repeated('{"a":1}', 10.6)}'
    yield "30 MB of commas in a text", "find", f'"limit":1,"x":"{"," * 30_000_000}"'
    yield "a filter of 10,000 fields", "find", f'"limit":1,"filter":{json.dumps({f"a{n}": n for n in range(10_000)})}'
    yield "100,000 operands of $in", "find", f'"limit":1,"filter":{{"a":{{"$in":{list(range(100_000))}}}}}'
    names = json.dumps({f"a{n}.$[e].x": 1 for n in range(1_000)})
    filters = json.dumps([{f"e.a{n}": 1 for n in range(1_000)}])
    yield (
        "1,000 paths by 1,000 conditions",
        "updateOne",
        (f'"filter":{{}},"update":{{"$set":{names}}},"arrayFilters":{filters}'),
    )


def main() -> int:
    """Measure each in a process that has answered nothing else, and print."""
    try:
        with tempfile.TemporaryDirectory(prefix="dozen-bench-") as scratch, Mongod(Path(scratch)) as mongod:
            films.seed(mongod.uri, 1_000)
            stable = Stable(mongod.uri, make_key(mongod.uri, "--system"), Path(scratch))
            rival = next(each for each in RIVALS if each.name == DOZEN)
            for name, action, members in bodies():
                server = stable.start(rival)
                try:
                    print(f"{name:36}{_measured(server, action, f'{{{_NAMESPACE},{members}}}')}")
                finally:
                    server.stop()
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _repeated(one: str, megabytes: float) -> str:
    return f"[{','.join([one] * int(megabytes * 1e6 / (len(one) + 1)))}]"


def _measured(server: Server, action: str, body: str) -> str:
    pid = server.process.pid
    seconds, memory = server.cpu_seconds(), machine.peak_mb(pid)
    url = f"http://{ports.LOOPBACK}:{server.port}{_PATH}{action}"
    answer = httpx.post(url, headers={"apiKey": server.key}, content=body.encode(), timeout=60)
    seconds, memory = server.cpu_seconds() - seconds, machine.peak_mb(pid) - memory
    return f"{answer.status_code} {seconds:8.2f} s {memory:8.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
