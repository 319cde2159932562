"""Triggers by changes and at times: what is read of their configuration, and what is found wrong with it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.app.background_triggers import database_triggers, scheduled_triggers
from shared.app.files import Files
from shared.app.model import DatabaseTrigger
from shared.app.triggers import read_triggers

SERVICES = frozenset({"mongodb-atlas"})
WHERE = {"service_name": "mongodb-atlas", "database": "shop", "collection": "orders"}
DOCUMENTS = ["insert", "update", "replace", "delete"]


def read(folder: Path, kind: str, config: dict[str, Any], services: frozenset[str] = SERVICES) -> tuple[Any, Files]:
    (folder / "triggers").mkdir()
    source = {"name": "t", "type": kind, "function_name": "f", "config": config}
    (folder / "triggers" / "t.json").write_text(json.dumps(source))
    files = Files(folder)
    found = read_triggers(files, {"f"})
    made = database_triggers(found, services) if kind == "DATABASE" else scheduled_triggers(found)
    return made, files


def test_a_trigger_by_changes_has_the_defaults_of_app_services(tmp_path: Path) -> None:
    made, files = read(tmp_path, "DATABASE", WHERE)

    chosen = {"$match": {"operationType": {"$in": DOCUMENTS}}}
    assert made == (
        DatabaseTrigger(name="t", function="f", service="mongodb-atlas", database="shop", collection="orders",
                        pipeline=[chosen]),
    )  # fmt: skip
    assert not files.findings


def test_what_is_said_of_events_becomes_stages_and_options(tmp_path: Path) -> None:
    config = WHERE | {
        "operation_types": ["INSERT", "CREATE_INDEXES"], "match": {"fullDocument.n": {"$numberLong": "5"}},
        "project": {"operationType": 1, "fullDocument.n": 1}, "full_document": True,
        "full_document_before_change": True, "unordered": True, "maximum_throughput": True,
        "skip_catchup_events": True, "tolerate_resume_errors": True,
    }  # fmt: skip

    [made], _ = read(tmp_path, "DATABASE", config)

    assert made.pipeline == [
        {"$match": {"operationType": {"$in": ["insert", "createIndexes"]}}},
        {"$match": {"fullDocument.n": 5}},
        {"$project": {"operationType": 1, "fullDocument.n": 1}},
    ]
    assert (made.full_document, made.full_document_before_change, made.is_expanded, made.at_once) == (True,) * 3 + (50,)
    assert (made.skip_catchup_events, made.tolerate_resume_errors) == (True, True)


@pytest.mark.parametrize(
    ("flags", "at_once"), [({"unordered": True}, 10), ({"maximum_throughput": True}, 1), ({}, 1)], ids=str
)
def test_only_unordered_events_are_handled_side_by_side(tmp_path: Path, flags: dict[str, bool], at_once: int) -> None:
    [made], _ = read(tmp_path, "DATABASE", WHERE | flags)

    assert made.at_once == at_once


@pytest.mark.parametrize(
    ("config", "services", "name"),
    [
        ({"service_id": "5f"}, {"Cluster0"}, "Cluster0"),
        ({"service_id": "5f"}, {"a", "mongodb-atlas"}, "mongodb-atlas"),
        ({"service_name": "b"}, {"a", "b"}, "b"),
    ],
)
def test_a_trigger_names_its_data_source_or_has_the_only_one(
    tmp_path: Path, config: dict[str, Any], services: set[str], name: str
) -> None:
    [made], _ = read(tmp_path, "DATABASE", config, frozenset(services))

    assert (made.service, made.database, made.collection) == (name, "", "")


@pytest.mark.parametrize(
    "project",
    [
        {"operationType": 1}, {"_id": 1, "operationType": True, "a": 1}, {"fullDocument.secret": 0},
        {"_id": 1.0, "a": 0},
        {"operationType": 1, "n": {"$size": "$fullDocument.items"}},
        {"fullDocument": {"secret": 0, "deep": {"er": False}}},
        {"operationType": 1, "fullDocument": {"n": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_projection_that_keeps_what_is_needed_is_taken(tmp_path: Path, project: dict[str, Any]) -> None:
    made, files = read(tmp_path, "DATABASE", WHERE | {"project": project})

    assert made
    assert not files.findings


@pytest.mark.parametrize(
    ("config", "level", "path"),
    [
        *(({"project": project}, "unsupported", "config.project") for project in (
            {"fullDocument": 1}, {"operationType": 0}, {"_id": 0, "operationType": 1}, {"_id": "$ns"},
            {"_id": False, "a": False}, {"n": "$fullDocument.n"},
            {"fullDocument": {"n": 1}}, {"fullDocument": {"n": {"$literal": 0}}},
        )),
        ({"operation_types": ["LOGIN"]}, "unsupported", "config.operation_types"),
        ({"operation_types": [{}]}, "unsupported", "config.operation_types"),
        ({"operation_types": []}, "unsupported", "config.operation_types"),
        ({"operation_types": "INSERT"}, "problem", "config.operation_types"),
        ({"match": []}, "problem", "config.match"),
        ({"unordered": 1}, "problem", "config.unordered"),
        ({"database": ""}, "problem", "config.database"),
        ({"service_name": "other"}, "unsupported", "config.service_name"),
    ],
    ids=str,
)  # fmt: skip
def test_a_trigger_by_changes_that_cannot_run_is_a_finding(
    tmp_path: Path, config: dict[str, Any], level: str, path: str
) -> None:
    made, files = read(tmp_path, "DATABASE", WHERE | config)

    assert not made
    assert [(each.level, each.path) for each in files.findings] == [(level, path)]


def test_a_scheduled_trigger_has_its_times(tmp_path: Path) -> None:
    [made], files = read(tmp_path, "SCHEDULED", {"schedule": "0 4 * * *", "skip_catchup_events": True})

    assert made.schedule.after(datetime(2026, 11, 26, 5, tzinfo=UTC)) == datetime(2026, 11, 27, 4, tzinfo=UTC)
    assert (made.text, made.skip_catchup_events) == ("0 4 * * *", True)
    assert not files.findings


@pytest.mark.parametrize("schedule", ["", "* * *", "0 0 30 2 *"])
def test_a_schedule_that_means_nothing_does_not_run(tmp_path: Path, schedule: str) -> None:
    made, files = read(tmp_path, "SCHEDULED", {"schedule": schedule})

    assert not made
    assert [(each.level, each.path) for each in files.findings] == [("unsupported", "config.schedule")]


def test_a_step_that_others_read_otherwise_is_a_warning(tmp_path: Path) -> None:
    made, files = read(tmp_path, "SCHEDULED", {"schedule": "0 0 */2 * *"})

    assert made
    assert [(each.level, each.path) for each in files.findings] == [("warning", "config.schedule")]
