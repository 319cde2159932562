"""Ten thousand calls of functions, of all that these do to a process: what it holds stays level."""

import asyncio
import json
import shutil
import statistics
from pathlib import Path

from tests.functions.rules.conftest import SETTINGS
from tests.hosts import ROOT
from tests.torture import promises
from tests.torture.place import Place, ask, client_of, descriptors, resident_mb, threads
from tests.torture.report import Row
from tests.torture.watched_server import WatchedServer

_CALLS = 10_000
_AT_ONCE = 4
_SAMPLES = 40
_LEAVES_AFTER = 0.01

_PUBLIC = 'context.services.get("mongodb-atlas").db("shop").collection("public")'
_SOURCES = {
    "plain": (200, "return { id: new BSON.ObjectId(), at: new Date(), of: BSON.Decimal128.fromString('1.5') }"),
    "stored": (200, f"await {_PUBLIC}.updateOne({{ _id: 1 }}, {{ $inc: {{ n: 1 }} }}, {{ upsert: true }});"
               f" return await {_PUBLIC}.find().toArray()"),
    "bulk": (200, f"const bulk = {_PUBLIC}.initializeOrderedBulkOp();"
             " await bulk.find({ _id: 1 }).update({ $set: { m: 1 } }).execute()"),
    "token": (200, "return utils.jwt.decode(utils.jwt.encode('HS256', { a: 1 }, 'secret'), 'secret')"),
    "secret": (200, "return utils.crypto.encrypt('aes', 'text', 'k'.repeat(16))"),
    "node": (200, "return new URL('https://a.example/?b=' + require('crypto').randomUUID()).searchParams.get('b')"),
    "waits": (200, "setInterval(() => 0, 1e6); await new Promise((ring) => setTimeout(ring, 1))"),
    "heap": (200, "globalThis.kept = Array.from({ length: 2e4 }, (_, n) => ({ n, text: 'x' + n }))"),
    "throws": (400, "console.error('x'.repeat(1e4)); throw new Error('no')"),
    "late": (400, f"{_PUBLIC}.insertOne({{ _id: 1 }}); for (;;) {{}}"),
    "grows": (400, "const all = []; for (;;) all.push({ all })"),
}  # fmt: skip
"""What each answers with, and its body."""

_RARE = ("grows", "late")
_EVERY = 100
_OFTEN = [name for name in _SOURCES if name not in _RARE]


async def functions(place: Place) -> list[Row]:
    """Call functions of all kinds, some of whose callers leave."""
    app = _app(place.path("app"))
    env = SETTINGS | {"APP_CONFIG_DIR": str(app), "FUNCTION_TIMEOUT_MS": "100", "FUNCTION_MEMORY_BYTES": str(16 << 20)}
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        await driver["shop"].public.insert_one({"_id": 1})
        async with WatchedServer(place.path("functions.log"), MONGO_DB_URI=mongod.uri, **env) as server:
            calls = place.times(_CALLS)
            failed: list[str] = []
            held: list[tuple[float, ...]] = []
            numbers = iter(range(calls))

            async def caller() -> None:
                for number in numbers:
                    failed.extend(await _called(server.port, number))
                    if number % max(calls // _SAMPLES, 1) == 0:
                        held.append(_held(server))

            await asyncio.gather(*(caller() for _ in range(_AT_ONCE)))
    where = f"{calls:,} calls"
    return [promises.FUNCTIONS_FAILED.none_of(where, failed), *_level(where, held)]


def _level(where: str, held: list[tuple[float, ...]]) -> list[Row]:
    quarter = len(held) // 4
    rows = []
    for kind, promise in enumerate(
        (
            promises.FUNCTIONS_MEMORY,
            promises.FUNCTIONS_DESCRIPTORS,
            promises.FUNCTIONS_THREADS,
            promises.FUNCTIONS_TASKS,
        )
    ):
        taken = [each[kind] for each in held]
        before, after = statistics.median(taken[quarter : 2 * quarter]), statistics.median(taken[-quarter:])
        grown = (after / before - 1) * 100 if promise.unit == "%" else after - before
        rows.append(promise.row(where, grown, f"{before:,.0f}, then {after:,.0f}"))
    return rows


def _app(folder: Path) -> Path:
    """Make an app whose functions anybody may call."""
    shutil.copytree(ROOT / "tests" / "apps" / "shop", folder)
    for name, (_, body) in _SOURCES.items():
        (folder / "functions" / f"{name}.js").write_text(f"exports = async () => {{ {body} }};")
    entries = [{"name": name, "run_as_system": True} for name in _SOURCES]
    (folder / "functions" / "config.json").write_text(json.dumps(entries))
    endpoints = [{"route": f"/{name}", "function_name": name, "respond_result": True} for name in _SOURCES]
    (folder / "http_endpoints" / "config.json").write_text(json.dumps(endpoints))
    return folder


def _held(server: WatchedServer) -> tuple[float, ...]:
    """Return what a server holds: memory, descriptors, threads, tasks."""
    return resident_mb(server), descriptors(server), threads(server), (server.seen("tasks") or [0])[-1]


async def _called(port: int, number: int) -> list[str]:
    """Call the function whose turn it is, and return what is wrong with its answer."""
    if number % _EVERY == 0:
        await _left(port, "heap" if number % (2 * _EVERY) else "late")
        return []
    is_rare = number % _EVERY == 1
    name = _RARE[number // _EVERY % len(_RARE)] if is_rare else _OFTEN[number % len(_OFTEN)]
    status, _ = await ask(port, _request(name))
    return [] if status == _SOURCES[name][0] else [f"{name}: {status}"]


async def _left(port: int, name: str) -> None:
    """Call a function, and leave before its answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(name))
    await asyncio.sleep(_LEAVES_AFTER)
    writer.transport.abort()


def _request(name: str) -> bytes:
    head = f"POST /app/shop-abcde/endpoint/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0"
    return f"{head}\r\n\r\n".encode()
