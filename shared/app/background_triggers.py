"""The triggers of an app that a process of their own runs: by the changes of documents, and at times."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shared.app.cron import Schedule, ScheduleError
from shared.app.files import typed
from shared.app.model import DatabaseTrigger, ScheduledTrigger
from shared.app.triggers import TriggerFile
from shared.settings import DEFAULT_DATA_SOURCE

_OPERATIONS = {"INSERT": "insert", "UPDATE": "update", "REPLACE": "replace", "DELETE": "delete"}
_EXPANDED = {
    "CREATE_COLLECTION": "create", "MODIFY_COLLECTION": "modify", "SHARD_COLLECTION": "shardCollection",
    "RESHARD_COLLECTION": "reshardCollection", "REFINE_COLLECTION_SHARD_KEY": "refineCollectionShardKey",
    "CREATE_INDEXES": "createIndexes", "DROP_INDEXES": "dropIndexes",
}  # fmt: skip
_WIDE = {"RENAME_COLLECTION": "rename", "DROP_COLLECTION": "drop", "DROP_DATABASE": "dropDatabase"}
_NAMES = _OPERATIONS | _WIDE | _EXPANDED
_PARALLEL, _MOST_PARALLEL = 10, 50
_BOOLEANS = ("full_document", "full_document_before_change", "skip_catchup_events", "tolerate_resume_errors")


def scheduled_triggers(found: Iterable[TriggerFile]) -> tuple[ScheduledTrigger, ...]:
    """Return those that run at times; a schedule that means nothing is a finding."""
    return tuple(_scheduled(found))


def database_triggers(found: Iterable[TriggerFile], services: frozenset[str]) -> tuple[DatabaseTrigger, ...]:
    """Return those that run when documents change; what cannot be asked of MongoDB is a finding."""
    return tuple(made for each in found if each.kind == "DATABASE" and (made := _database(each, services)))


def _scheduled(found: Iterable[TriggerFile]) -> Iterator[ScheduledTrigger]:
    for each in found:
        if each.kind != "SCHEDULED":
            continue
        text = typed(each.config, "schedule", str, each.report, "")
        at = each.report.at("schedule")
        try:
            schedule = Schedule.of(text)
        except ScheduleError as error:
            at.unsupported(f"trigger '{each.name}': {error}", each.not_done)
            continue
        if schedule.doubtful:
            sentence = f"trigger '{each.name}': '{schedule.doubtful}' means the values that the step divides"
            at.warning(sentence, "it is due at other times than where steps are counted from the first value")
        skips = typed(each.config, "skip_catchup_events", bool, each.report, False)
        yield ScheduledTrigger(
            name=each.name, function=each.function, schedule=schedule, text=text, skip_catchup_events=skips
        )


def _database(trigger: TriggerFile, services: frozenset[str]) -> DatabaseTrigger | None:
    config, report = trigger.config, trigger.report
    database, collection = (typed(config, name, str, report, "") for name in ("database", "collection"))
    if collection and not database:
        report.at("database").problem("'database' is missing: a collection is in one")
    service = _service(trigger, services)
    operations = _operations(trigger)
    match, project = (typed(config, name, dict, report, {}) for name in ("match", "project"))
    if not _keeps_what_is_needed(project):
        operations = []
        sentence = "'project' must keep '_id', by which the stream goes on, and 'operationType'"
        report.at("project").unsupported(f"trigger '{trigger.name}': {sentence}", trigger.not_done)
    flags = {name: typed(config, name, bool, report, False) for name in (*_BOOLEANS, "unordered", "maximum_throughput")}
    if report.is_wrong or service is None or not operations:
        return None
    chosen = {"operationType": {"$in": [_NAMES[each] for each in operations]}}
    stages = [
        {"$match": chosen},
        *([{"$match": match}] if match else []),
        *([{"$project": project}] if project else []),
    ]
    at_once = (_MOST_PARALLEL if flags["maximum_throughput"] else _PARALLEL) if flags["unordered"] else 1
    return DatabaseTrigger(
        name=trigger.name,
        function=trigger.function,
        service=service,
        database=database,
        collection=collection,
        pipeline=stages,
        is_expanded=not _EXPANDED.keys().isdisjoint(operations),
        at_once=at_once,
        **{name: flags[name] for name in _BOOLEANS},
    )


def _service(trigger: TriggerFile, services: frozenset[str]) -> str | None:
    """Return the data source; an id, which says nothing outside of Atlas, is that of the only one."""
    name: str = typed(trigger.config, "service_name", str, trigger.report, "")
    if not name:
        name = next(iter(services)) if len(services) == 1 else DEFAULT_DATA_SOURCE
    if name in services:
        return name
    sentence = f"trigger '{trigger.name}': '{name}' is no data source of the app"
    trigger.report.at("service_name").unsupported(sentence, trigger.not_done)
    return None


def _operations(trigger: TriggerFile) -> list[str]:
    given: list[Any] = typed(trigger.config, "operation_types", list, trigger.report, list(_OPERATIONS))
    if given and all(type(each) is str and each in _NAMES for each in given):
        return given
    sentence = f"trigger '{trigger.name}': 'operation_types' is an array of any of {', '.join(_NAMES)}"
    trigger.report.at("operation_types").unsupported(sentence, trigger.not_done)
    return []


def _keeps_what_is_needed(project: Mapping[str, Any]) -> bool:
    excluded = {name for name, value in project.items() if _excludes(value)}
    if project.get("_id", 1) not in (1, True):
        return False
    is_inclusive = bool(project.keys() - excluded - {"_id"})
    return "operationType" in project.keys() - excluded if is_inclusive else "operationType" not in excluded


def _excludes(value: Any) -> bool:
    """Tell whether a projection leaves out what it says of a field."""
    if isinstance(value, dict):
        return bool(value) and all(not name.startswith("$") and _excludes(each) for name, each in value.items())
    return not isinstance(value, str | list) and not value
