"""What `doctor` checks of databases: reachable, which version, access control, privileges, indexes, clocks."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.objectid import ObjectId

from admin.doctor.findings import Finding, Findings
from shared.mongo.control import INDEXES
from shared.service import Service
from shared.settings import Settings, shown

OLDEST_TESTED = (6, 0)
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_WRITES = frozenset({"insert", "update", "remove"})
_CONTROL = frozenset({"find", "insert", "update", "remove", "createIndex"})
_LATE, _TOO_LATE = timedelta(seconds=5), timedelta(seconds=60)

type Reply = Mapping[str, Any]


async def of_data_source(service: Service, name: str) -> Findings:
    """Look at one data source; raise the driver's errors if it does not answer."""
    check = f"data source {shown(name)}"
    admin = service.clients.collection(name, "admin", "doctor").database.client.get_database(
        "admin", codec_options=_OPTIONS
    )
    sent = datetime.now(UTC)
    hello = await admin.command("hello")
    received = datetime.now(UTC)
    yield Finding(check, "ok", f"answers in {(received - sent) / timedelta(milliseconds=1):.0f} ms")
    yield _version(check, (await admin.command("buildInfo"))["version"])
    yield _replica_set(check, hello, service.settings)
    yield _clock(check, hello, sent, received)
    async for finding in _privileges(service.settings, check, name, admin):
        yield finding


async def of_control_database(service: Service) -> Findings:
    """Look at the control database: may we use it, are the indexes there."""
    settings = service.settings
    check = f"control database {settings.dozen_database}"
    keys = service.control.api_keys
    count = await keys.count_documents({"disabled": False}, limit=1_000)
    await keys.delete_one({"_id": ObjectId()})  # of no document: it only shows that we may
    advice = "" if count else "make one: dozen keys create --name NAME --system"
    yield Finding(check, "ok" if count else "warning", f"can be read and written, has {count or 'no'} API keys", advice)
    found = await service.control.check_indexes()
    for index in found.missing:
        yield Finding(check, "problem", f"{index} is not there", "dozen indexes create --control")
    for index in found.different:
        of_index = f"{settings.dozen_database}.{index.collection}"
        advice = f"drop it: dozen indexes drop --control --namespace {of_index} NAME; "
        advice += "then dozen indexes create --control"
        yield Finding(check, "problem", f"{index} has other options", advice)
    if found.without_collection:
        names = ", ".join(dict.fromkeys(index.collection for index in found.without_collection))
        yield Finding(
            check, "warning", f"not there yet: {names}; the service makes them at its first write",
            "or now: dozen indexes create --control",
        )  # fmt: skip
    if not (found.missing or found.different or found.without_collection):
        yield Finding(check, "ok", f"all indexes are there: {len(INDEXES)}")


def _version(check: str, version: str) -> Finding:
    major, minor, *_ = (int(part) for part in version.split(".")[:2])
    if (major, minor) >= OLDEST_TESTED:
        return Finding(check, "ok", f"is MongoDB {version}")
    oldest = ".".join(map(str, OLDEST_TESTED))
    return Finding(check, "warning", f"is MongoDB {version}", f"Dozen is tested with {oldest} and newer: upgrade")


def _replica_set(check: str, hello: Reply, settings: Settings) -> Finding:
    if hello.get("msg") == "isdbgrid":
        return Finding(check, "ok", "is a sharded cluster: transactions work")
    if "setName" not in hello:
        has_rules = bool(settings.app_config_dir)
        level: Any = "problem" if has_rules else "warning"
        sentence = "is no replica set: no transactions" + (", so no writes where rules apply" if has_rules else "")
        return Finding(
            check, level, sentence, "start mongod with --replSet and run rs.initiate(), one member is enough"
        )
    members = len(hello.get("hosts", ())) + len(hello.get("passives", ()))
    if members < 3:
        advice = "three members keep acknowledged writes when one is lost"
        return Finding(check, "warning", f"is a replica set of {members}: transactions work", advice)
    return Finding(check, "ok", f"is a replica set of {members}: transactions work")


def _clock(check: str, hello: Reply, sent: datetime, received: datetime) -> Finding:
    """Compare the clocks: expiry of tokens is checked by ours, expiry of sessions by MongoDB's."""
    theirs = hello["localTime"].replace(tzinfo=UTC)
    apart = max(sent - theirs, theirs - received, timedelta(0))
    if apart < _LATE:
        return Finding(check, "ok", "its clock and ours agree")
    sentence = f"its clock and ours are {apart.total_seconds():.0f} s apart: tokens and sessions end at the wrong time"
    return Finding(check, "problem" if apart > _TOO_LATE else "warning", sentence, "synchronize both with NTP")


async def _privileges(settings: Settings, check: str, name: str, admin: Any) -> Findings:
    reply = await admin.command({"connectionStatus": 1, "showPrivileges": True})
    info = reply["authInfo"]
    if not info.get("authenticatedUsers"):
        await admin.client["doctor"]["doctor"].find_one()  # raises if it wants a user
        yield Finding(
            check, "warning", "lets anybody in", "turn access control on, and set MONGO_DB_USER and _PASSWORD"
        )
        return
    granted = info.get("authenticatedUserPrivileges")
    if not granted:
        yield Finding(check, "warning", "does not tell what the deployment's user may do")
        return
    yield _may(check, granted)
    if settings.data_source_uri(name) == settings.control_uri:
        database = settings.dozen_database
        if lacking := _CONTROL - _actions_on(granted, database):
            yield Finding(
                check, "problem", f"the deployment's user lacks {', '.join(sorted(lacking))} on {database}",
                f"grant it readWrite on {database}",
            )  # fmt: skip


def _may(check: str, granted: list[Reply]) -> Finding:
    readable = sorted({_place(each) for each in _on_data(granted) if "find" in each["actions"]})
    writable = sorted({_place(each) for each in _on_data(granted) if set(each["actions"]) >= _WRITES})
    sentence = f"the deployment's user may read {_list(readable)} and write {_list(writable)}"
    if not readable:
        return Finding(check, "problem", sentence, "grant it readWrite on the databases that are served")
    if not writable:
        return Finding(check, "warning", sentence, "grant it readWrite, unless this source is to be read only")
    return Finding(check, "ok", sentence)


def _on_data(granted: list[Reply]) -> Iterator[Reply]:
    for each in granted:
        resource = each["resource"]
        is_own = resource.get("db") in {None, "admin", "config", "local"} and not resource.get("anyResource")
        if not is_own and not str(resource.get("collection", "")).startswith("system."):
            yield each


def _place(privilege: Reply) -> str:
    resource = privilege["resource"]
    return ".".join(part for part in (resource.get("db"), resource.get("collection")) if part) or "all databases"


def _list(places: list[str]) -> str:
    return "all databases" if "all databases" in places else ", ".join(places[:5]) or "nothing"


def _actions_on(granted: list[Reply], database: str) -> set[str]:
    return {
        action
        for each in granted
        if each["resource"].get("anyResource")
        or (each["resource"].get("db") in {"", database} and not each["resource"].get("collection"))
        for action in each["actions"]
    }
