"""Random requests at the parser and the rules, and over HTTP: nothing unexpected, nothing slow, nothing that grows."""

import asyncio
import gc
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import bson
from pymongo import AsyncMongoClient

from bench import machine
from functions.aggregate import Aggregate
from functions.count import CountDocuments, EstimatedDocumentCount
from functions.distinct import Distinct
from functions.explain import Explain
from functions.find import Find, FindOne
from functions.find_one_and import FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate
from functions.schema import GetSchema
from shared import turns
from shared.access.cutting import Cutting, StoredTrimming
from shared.access.trimming import Trimming
from shared.documents import ejson
from shared.documents.distinct import DistinctValues
from shared.documents.plans import Plan
from shared.documents.shapes import narrowed
from shared.errors import DataAPIError
from shared.guard.complexity import Complexity
from shared.guard.refusals import Guard
from shared.guard.walk import walked
from shared.mongo import concerns
from shared.mongo.clients import Collection
from shared.mongo.deadlines import driver_call, within
from shared.operators import Standing
from shared.requests import Request, sort_keys
from shared.rules import field_paths
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.report import Report
from shared.rules.ruleset import Rights
from shared.settings import Settings
from shared.writes import BulkWrite, Delete, InsertMany, InsertOne, ReplaceOne, Update, UpdateMany, UpdateOne
from tests.torture import promises
from tests.torture.cases import Case, cases
from tests.torture.place import Place, client_of, resident_mb, system_key
from tests.torture.report import Row
from tests.twins import rules
from tests.twins.documents import USER, document
from tests.twins.host import COLLECTIONS, DATABASES, prepare, write_rules

_AT_ONCE = 1_000  # cases
_FOR_RULES = 50  # cases that meet the same rules
_OVER_HTTP = 10  # one case of so many
_CONNECTIONS = 8
TRANSACTION = "transaction"  # whose operations are read where they are done
_RETURNING = FindOne | FindOneAndDelete | FindOneAndReplace | FindOneAndUpdate
REQUESTS: dict[str, type[Request]] = {
    "aggregate": Aggregate,
    "bulkWrite": BulkWrite,
    "countDocuments": CountDocuments,
    "deleteMany": Delete,
    "deleteOne": Delete,
    "distinct": Distinct,
    "explain": Explain,
    "getSchema": GetSchema,
    "estimatedDocumentCount": EstimatedDocumentCount,
    "find": Find,
    "findOne": FindOne,
    "findOneAndDelete": FindOneAndDelete,
    "findOneAndReplace": FindOneAndReplace,
    "findOneAndUpdate": FindOneAndUpdate,
    "insertMany": InsertMany,
    "insertOne": InsertOne,
    "replaceOne": ReplaceOne,
    "updateMany": UpdateMany,
    "updateOne": UpdateOne,
}


class Outcomes:
    """What became of cases."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.faults: list[object] = []
        self.slowest = 0.0
        self.slowest_case: object = None

    def add(self, case: Case, status: int, seconds: float, fault: object = None) -> None:
        """Count one."""
        self.statuses[status] += 1
        if fault is not None or status >= 500 or not status:
            self.faults.append((fault or status, case))
        if seconds > self.slowest:
            self.slowest, self.slowest_case = seconds, case

    def rows(self, where: str, before: float, after: float) -> list[Row]:
        """Return the figures; memory is that after a fifth, and at the end."""
        slow = (f"{self.slowest_case!s:.300}",) if self.slowest > 1 else ()
        return [
            promises.FUZZ_FAULTS.none_of(where, self.faults, f"of {self.statuses.total():,}"),
            promises.FUZZ_SLOWEST.row(where, self.slowest * 1_000, "", slow),
            promises.FUZZ_MEMORY.row(where, after - before, f"{before:.0f} MB, then {after:.0f}"),
        ]


async def fuzz(place: Place) -> list[Row]:
    """Send all cases through the parser and the rules, and a tenth of them over HTTP."""
    return [*await inside(place.cases, place.seed), *await over_http(place)]


async def inside(number: int, seed: int) -> list[Row]:
    """Parse bodies, and ask random rules what they come to."""
    judge, outcomes, before = Judge(seed), Outcomes(), 0.0
    for some in _parts(number, seed):
        for case in (each for each in some if each.action != TRANSACTION):
            started = time.thread_time()
            status, fault = await judge.outcome(case)
            outcomes.add(case, status, time.thread_time() - started, fault)
        await asyncio.sleep(0)  # the loop forgets the timers of the calls that are over
        gc.collect()
        if outcomes.statuses.total() * 5 <= number or not before:
            before = machine.resident_mb(os.getpid())
    return outcomes.rows("parser and rules", before, machine.resident_mb(os.getpid()))


def _parts(number: int, seed: int) -> Iterator[list[Case]]:
    """Give the cases in parts, so that nobody has to hold all of them."""
    for start in range(0, number, _AT_ONCE):
        yield cases(min(_AT_ONCE, number - start), seed * 1_000_000 + start)


class Judge:
    """What the service does to a request between its bytes and MongoDB, for a caller to whom rules apply."""

    def __init__(self, seed: int) -> None:
        settings = Settings.from_environ({"MONGO_DB_URI": "mongodb://nobody/"})
        self._settings = settings
        self._complexity = Complexity(settings)
        self._guard = Guard(settings.dozen_database)
        self._target: Collection = AsyncMongoClient(settings.mongo_db_uri, connect=False)["shop"]["things"]
        self._random = Random(f"rules {seed}")
        self._asked = 0

    async def outcome(self, case: Case) -> tuple[int, object]:
        """Return the status that a case would come to, and what went wrong if that is not a refusal."""
        if self._asked % _FOR_RULES == 0:
            self._rights = _rights(self._random)
            self._stored = [bson.encode(document(self._random, number, composed_id=False)) for number in range(4)]
        self._asked += 1
        try:
            with driver_call(self._settings.mongo_db_timeout_ms):
                self._judge(self._request(case))
        except DataAPIError as error:
            return error.status, None
        except Exception as error:  # noqa: BLE001  each would be a 500
            return 500, repr(error)
        return 200, None

    def _request(self, case: Case) -> Request:
        self._complexity.body(case.body)
        body = ejson.loads(case.body, self._settings.max_nesting, self._settings.max_members)
        return self._checked(REQUESTS[case.action].from_body(body), case)

    def _checked(self, request: Request, case: Case) -> Request:
        self._guard.namespace(request.database, request.collection)
        self._guard.options(request.options, is_system=case.is_system)
        within(self._settings, request.options)
        concerns.applied(self._target, request.options)
        placed = request.interpreted() + request.options.interpreted()
        met = walked(placed)
        self._complexity.call(placed, met.documents, *request.targets())
        self._guard.operators(met, request.database, is_system=case.is_system)
        if isinstance(request, BulkWrite):
            for operation in request.operations():
                self._judge(self._checked(operation.request, case))
        return request

    def _judge(self, request: Any) -> None:
        rights = self._rights
        if not rights.hides_nothing:
            request.options.refuse_closed(Standing.RULED)
        if isinstance(request, BulkWrite):  # each operation was
            return
        if isinstance(request, Aggregate):
            field_paths.refuse_stages(request.pipeline)
        if isinstance(request, InsertOne | InsertMany):
            made: list[Any] = [request.document.content] if isinstance(request, InsertOne) else request.documents
            for new in made:
                rights.may_insert(bson.encode(new))
            return
        used = self._used(request)
        self._judge_shown(request, used)
        if isinstance(request, Update) and isinstance(request.update, dict):
            touched = field_paths.of_update(request.update, request.array_filters)
            for stored in self._stored:
                rights.may_touch(stored, touched)
        rights.hidden(used)

    def _judge_shown(self, request: Any, used: set[Any]) -> None:
        rights, stored = self._rights, b"".join(self._stored)
        if isinstance(request, _RETURNING):
            used |= field_paths.of_sort(dict(sort_keys(request.sort) or ()))
            field_paths.refuse_projection(request.projection)
            trimming = Trimming.of(request.projection, rights)
            if trimming is not None and not trimming.sent:
                list(trimming.visible(stored, used, "EJSON"))
        if isinstance(request, Distinct):
            values = DistinctValues(request.field_name)
            for shown in filter(None, Cutting(rights).visible(stored, used, "EJSON")):
                turns.at_once(values.add(shown))
            values.array()
        list(StoredTrimming(rights).visible(stored, used, "EJSON"))

    def _used(self, request: Any) -> set[Any]:
        if isinstance(request, Aggregate | EstimatedDocumentCount | GetSchema):
            return set()
        if isinstance(request, Explain):
            Plan().helpful(*narrowed(request.command))
        uses = field_paths.of_filter(request.filter)
        field_paths.without(request.filter, lambda each: each.is_computed)
        return set(uses.paths)


def _rights(random: Random) -> Rights:
    """Return what random rules that can be used come to."""
    while True:
        report = Report()
        made = compile_ruleset(rules.rules(random), Constants(), report)
        if not any(finding.level == "problem" for finding in report.findings):
            try:
                return made.rights(Expansions(USER))
            except DataAPIError:
                continue  # filters that do not go together


async def over_http(place: Place) -> list[Row]:
    """Send cases to a server that has rules."""
    number = max(place.cases // _OVER_HTTP, 1)
    folder = place.path("app")
    folder.mkdir()
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        keys = system_key(mongod.uri), await prepare(folder, driver)
        _write_rules(folder, Random(f"app {place.seed}"))
        random = Random(f"documents {place.seed}")
        stored = [document(random, number, composed_id=False) for number in range(1, 8)]
        env = {"APP_CONFIG_DIR": str(folder), "LOG_LEVEL": "ERROR"}
        async with place.server(mongod.uri, **env) as server:
            outcomes, before = Outcomes(), 0.0
            for some in _parts(number, place.seed + 1):
                for database in DATABASES:
                    for name in COLLECTIONS:
                        await driver[database][name].delete_many({})
                        await driver[database][name].insert_many([dict(each) for each in stored])
                await _send(server.port, [(case, case.request(*keys)) for case in some], outcomes)
                if outcomes.statuses.total() * 5 <= number or not before:
                    before = resident_mb(server)
            return outcomes.rows("over HTTP", before, resident_mb(server))


def _write_rules(folder: Path, random: Random) -> None:
    """Give each collection rules that can be used."""
    for name in COLLECTIONS:
        while True:
            made, report = rules.rules(random), Report()
            ruleset = compile_ruleset(made, Constants(), report)
            if not any(finding.level == "problem" for finding in report.findings):
                break
        del ruleset
        write_rules(folder, name, made, {})


async def _send(port: int, requests: list[tuple[Case, bytes]], outcomes: Outcomes) -> None:
    waiting = iter(requests)

    async def caller() -> None:
        reader = writer = None
        for case, request in waiting:
            started = time.monotonic()
            status = 0
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                async with asyncio.timeout(60):
                    writer.write(request)
                    status, is_last = await _answer(reader)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                is_last = True
            outcomes.add(case, status, time.monotonic() - started)
            if is_last and writer is not None:
                writer.transport.abort()
                writer = None
        if writer is not None:
            writer.transport.abort()

    await asyncio.gather(*(caller() for _ in range(_CONNECTIONS)))


async def _answer(reader: Any) -> tuple[int, bool]:
    """Return the status of an answer, and whether the connection ends behind it."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split()[1])
    if status == 100:
        return await _answer(reader)
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    await reader.readexactly(length)
    return status, b"connection: close" in head
