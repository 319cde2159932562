"""`python -m admin calls`, from the log of a real server and from lines of others."""

import asyncio
import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin.calls import Calls, Group
from tests.admin.conftest import Command, run, told
from tests.admin.test_commands import on_80_columns
from tests.conftest import ACTION, FailPoint, request_body
from tests.hosts import ROOT, Server

SHOP = str(ROOT / "tests" / "apps" / "shop")
NOW = datetime.now(UTC)


def line(**members: Any) -> bytes:
    """Return a line of the log."""
    known = {
        "time": NOW.isoformat(), "level": "INFO", "logger": "dozen", "message": "request", "operation": "find",
        "namespace": "shop.items", "caller": "a" * 24, "status": 200, "error_code": None, "duration_ms": 5.0,
        "documents": 2, "request_bytes": 100, "reply_bytes": 900, "trace_id": "t",
    }  # fmt: skip
    return json.dumps(known | members).encode() + b"\n"


@pytest.fixture
def calls(command: Command) -> Any:
    """Count the calls in a log; return what is printed as JSON."""

    def called(content: bytes, *arguments: str) -> Any:
        (command.folder / "log").write_bytes(content)
        done = command("calls", "log", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return called


async def test_the_calls_of_a_real_server_are_counted(
    server: Server, key: str, database: Any, command: Command, mongod: Any, tmp_path: Any
) -> None:
    async with Server(tmp_path / "own.log", MONGO_DB_URI=mongod.uri) as own:
        for _ in range(3):
            await own.request("POST", ACTION + "find", {"apiKey": key}, request_body())
        await own.request("POST", ACTION + "find", {"apiKey": "x"}, request_body())
    log = (tmp_path / "own.log").read_bytes()
    done = command.fed(log, "calls", "--by", "namespace", "--json")
    groups = {each["namespace"]: each for each in json.loads(done.stdout)["groups"]}

    assert (groups["shop.items"]["calls"], groups["shop.items"]["errors"]) == (3, 0)
    assert groups["(none)"]["denied"] == 1
    assert groups["(none)"]["reasons"] == {"InvalidSession": 1}


def test_what_stands_before_a_line_is_left_out(calls: Any) -> None:
    log = (
        b"dozen-1  | "
        + line()
        + b"Nov 27 01:00:00 host dozen[7]: "
        + line()
        + b"no line\n\n[1]\n{\n"
        + line(message="probe")
    )
    found = calls(log)

    assert [each["calls"] for each in found["groups"]] == [2]
    assert found["unreadable"] == 2


def undated(**members: Any) -> str:
    """Return a line without its time."""
    known = json.loads(line(**members))
    del known["time"]
    return json.dumps(known)


THEN = "2026-01-02T03:04:05.123456789Z"
TEXT = undated(duration_ms=7.0)


@pytest.mark.parametrize(
    "wrapped",
    [
        json.dumps({"log": TEXT + "\n", "stream": "stdout", "time": THEN}),
        json.dumps({"log": "dozen-1 | " + TEXT, "time": THEN}),
        json.dumps({"__REALTIME_TIMESTAMP": "1767323045123456", "PRIORITY": "6", "MESSAGE": TEXT}),
        json.dumps({"__REALTIME_TIMESTAMP": "1767323045123456", "MESSAGE": [*TEXT.encode()]}),
        json.dumps({"MESSAGE": json.dumps({"log": TEXT, "time": THEN})}),
        json.dumps({"timestamp": THEN, "message": TEXT, "severityLevel": 1, "customDimensions": {}}),
        json.dumps({"TimeGenerated": THEN, "Message": TEXT}),
        f"[2026-01-02T03:04:05.123Z] {TEXT}",
        f"2026-01-02T03:04:05.1234567+00:00 stdout F {TEXT}",
        f"2026-01-02 03:04:05 INFO {TEXT}",
        f"2026-01-02T05:04:05+02:00 host dozen[7]: {TEXT}",
    ],
    ids=["docker", "docker-prefix", "journald", "journald-bytes", "docker-in-journald", "insights", "log-analytics",
         "azure", "kubernetes", "without-zone", "syslog"],
)  # fmt: skip
def test_a_line_that_others_wrapped_counts_at_their_time(calls: Any, wrapped: str) -> None:
    content = wrapped.encode() + b"\n"
    found = calls(content, "--since", "2026-01-02T03:04:05Z")

    assert [each["calls"] for each in found["groups"]] == [1]
    assert found["slowest"][0]["time"].startswith("2026-01-02T03:04:05")
    assert (found["unreadable"], found["undated"], found["slowest"][0]["duration_ms"]) == (0, 0, 7.0)
    assert calls(content, "--since", "2026-01-02T03:04:06Z")["groups"] == []


def test_a_call_without_a_time_counts_unless_it_is_asked_for(calls: Any) -> None:
    content = TEXT.encode() + b"\n" + line()

    assert calls(content)["groups"][0]["calls"] == 2
    assert (calls(content, "--since", "1h")["groups"][0]["calls"], calls(content, "--since", "1h")["undated"]) == (1, 1)


def test_what_is_no_line_of_the_service_is_counted_or_left_out(calls: Any) -> None:
    odd = [
        {"log": {"message": "request"}}, {"MESSAGE": [999, -1]}, {"MESSAGE": None}, {"log": '{"log":"{'},
        {"__REALTIME_TIMESTAMP": "9" * 400, "MESSAGE": undated()}, {"time": "9999-12-31T23:59-23:59", "log": undated()},
    ]  # fmt: skip
    content = b"".join(json.dumps(each).encode() + b"\n" for each in odd)
    found = calls(content + b'{"log":"' + b"x" * (2 << 20) + b'"}\n' + line())

    assert [each["calls"] for each in found["groups"]] == [3]
    assert found["unreadable"] == 2


@pytest.mark.parametrize("by", ["key", "namespace", "operation", "status"])
def test_calls_are_counted_by_what_is_asked_for(calls: Any, by: str) -> None:
    other = line(caller="b" * 24, namespace="x.y", operation="insertOne", status=201)
    found = calls(gzip.compress(line() * 3 + other + line(caller=None, namespace=None)), "--by", by)

    assert sum(each["calls"] for each in found["groups"]) == 5
    assert found["groups"][0]["calls"] >= 3
    assert len({each[by] for each in found["groups"]}) == len(found["groups"]) >= 2


def test_only_what_came_since_then_counts(calls: Any) -> None:
    old = line(time=(NOW - timedelta(hours=2)).isoformat())

    assert calls(old + line(), "--since", "1h")["groups"][0]["calls"] == 1
    assert calls(old, "--since", "1h")["groups"] == []


def test_what_is_denied_has_its_reasons(calls: Any) -> None:
    ruled = line(status=200, decision="role 'owner': read")
    found = calls(line() + line(status=403, error_code="NoMatchingRule") + ruled, "--denied")

    [group] = found["groups"]
    assert group["calls"] == group["denied"] == 2
    assert group["reasons"] == {"NoMatchingRule": 1, "role 'owner': read": 1}


def test_the_slowest_come_first(calls: Any) -> None:
    log = b"".join(line(caller=f"{number:024}", duration_ms=number) for number in range(1, 40))
    found = calls(log, "--slow")

    assert [each["duration_ms"] for each in found["slowest"]] == list(range(39, 29, -1))
    assert found["groups"][0]["key"] == f"{39:024}"


def test_percentiles_are_exact_to_five_percent() -> None:
    source = random.Random(1)
    durations = sorted(source.lognormvariate(2, 2) for _ in range(5_000))
    log = Calls("key", None, only_denied=False)
    for duration in source.sample(durations, len(durations)):
        log.add(line(duration_ms=duration))
    [(_, group)] = log.sorted(by_time=False)

    assert [group.percentile(share) / durations[round(5_000 * share) - 1] for share in (0.5, 0.95, 1.0)] == [
        pytest.approx(1, abs=0.051)
    ] * 3


def test_memory_does_not_grow_with_the_names_in_a_log() -> None:
    log = Calls("namespace", None, only_denied=False)
    for number in range(12_000):
        log.add(line(namespace=f"n{number}"))

    assert len(log.groups) == 10_001
    assert log.groups["(others)"].calls == 2_000
    assert isinstance(log.groups["n1"], Group)


@pytest.mark.parametrize(
    "arguments", [(), ("--by", "namespace", "--slow"), ("--denied", "--by", "operation"), ("--by", "status")]
)
def test_a_row_of_calls_fits_80_columns(command: Command, arguments: tuple[str, ...]) -> None:
    log = line(namespace="n" * 200, operation="estimatedDocumentCount", status=403, decision="d" * 200, documents=10**9)
    (command.folder / "log").write_bytes(log)
    done = told(run(("calls", "log", *arguments), command.env | {"COLUMNS": "80"}, command.folder))

    assert done.returncode == 0
    assert "1" in done.stdout


@pytest.mark.parametrize("arguments", [("--slow",), ("--by", "namespace")], ids=" ".join)
def test_a_name_is_whole_however_narrow_the_terminal_is(command: Command, arguments: tuple[str, ...]) -> None:
    names = ["shop.orders_of_2026-returned", "w." + "long_" * 40, "a.b"]
    logged = [line(namespace=each, operation="estimatedDocumentCount", caller=f"{7:024}") for each in names]
    (command.folder / "log").write_bytes(b"".join(logged) + line(namespace=None, operation="listDatabases"))
    shown = on_80_columns(["calls", str(command.folder / "log"), *arguments], command.env).splitlines()

    assert {"Namespace", *names} <= {each.strip() for each in shown}
    assert [each for each in shown if len(each) > 80 and each not in names] == []


def test_a_log_that_is_not_there_is_one_sentence(command: Command) -> None:
    done = command("calls", "nothing")

    assert done.returncode == 1
    assert done.stderr == b"error: nothing: No such file or directory\n"


def test_a_log_without_calls_says_so(command: Command) -> None:
    (command.folder / "log").write_bytes(b"hello\n")
    done = command("calls", "log")

    assert done.stderr == b"no call was found\nleft out, as no line of a log of the service: 1 line\n"


async def test_collections_are_listed_with_rules_and_sizes(command: Command, database: Any) -> None:
    await database.orders.insert_many([{"_id": number} for number in range(3)])
    await database.orders.create_index("a")
    await database.create_collection("seen", viewOn="orders", pipeline=[])
    done = command(
        "collections",
        "list",
        "--database",
        "shop",
        "--json",
        APP_CONFIG_DIR=SHOP,
        APP_SECRET_JWT_KEY="k" * 40,
        APP_SECRET_HOOK_SECRET="h",
    )
    found = {each["collection"]: each for each in json.loads(done.stdout)}
    orders, seen = found.pop("orders"), found.pop("seen")

    assert (orders["documents"], orders["indexes"], orders["rules"], orders["schema"]) == (3, 2, "own", True)
    assert orders["bytes"] == 3 * 14
    assert (seen["type"], seen["documents"], seen["rules"]) == ("view", None, "default")
    assert {each["type"] for each in found.values()} == {"not there, or not to be seen"}
    assert {each["rules"] for each in found.values()} <= {"own", "default"}
    assert command("collections", "list", "--data-source", "x").returncode == 0
    assert command("collections", "list").stdout.count(b"shop.orders") == 1


@pytest.mark.full
async def test_many_collections_may_take_longer_than_one_call(
    command: Command, database: Any, fail_point: FailPoint
) -> None:
    await asyncio.gather(*(database.create_collection(f"c{number}") for number in range(4)))
    await fail_point("collStats", times=4, blockConnection=True, blockTimeMS=1_600)
    done = command("collections", "list", "--database", "shop", "--json", MONGO_DB_TIMEOUT_MS="6000")

    assert (done.returncode, [each["problem"] for each in json.loads(done.stdout)]) == (0, [None] * 4)


def test_a_damaged_gzip_is_one_sentence(command: Command) -> None:
    (command.folder / "log.gz").write_bytes(gzip.compress(b"a line\n" * 9)[:10] + b"\xff" * 40)
    done = command("calls", "log.gz")

    assert (done.returncode, done.stderr.startswith(b"error: "), done.stderr.count(b"\n")) == (1, True, 1)
