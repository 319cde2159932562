"""Driver errors -> the caller's errors, and the clients' options."""

import re
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidName,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
)

from shared.errors import (
    CommandFailedError,
    DataAPIError,
    DeadlinePassedError,
    InvalidParameterError,
    NoRuleError,
    UnavailableError,
    UnconfirmedWriteError,
)
from shared.mongo import clients, refusals
from shared.settings import Settings
from tests.hosts import ROOT

GONE = "the connection to MongoDB was lost"
LATE = "the call took longer than its time limit"
AWAY = "MongoDB cannot be reached"
IN_USE = "all connections to MongoDB are in use"
UNCONFIRMED = "the write may have happened, but no majority of the replica set confirmed it"
PLANTED = {"errmsg": "not authorized on shop to execute command { find: planted }", "code": 13}
DUPLICATE = {"index": 0, "code": 11000, "errmsg": "E11000 duplicate key error"}


def bulk(*errors: dict[str, Any], **details: Any) -> BulkWriteError:
    return BulkWriteError({"writeErrors": list(errors), "writeConcernErrors": []} | details)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        pytest.param(
            ServerSelectionTimeoutError("planted:27017"), UnavailableError, AWAY, id="no server"
        ),
        pytest.param(
            WaitQueueTimeoutError("planted"), UnavailableError, IN_USE, id="pool is full"
        ),
        pytest.param(AutoReconnect("planted"), UnavailableError, GONE, id="connection closed"),
        pytest.param(ConnectionFailure("planted"), UnavailableError, GONE, id="connection failed"),
        pytest.param(CursorNotFound("planted", 43), UnavailableError, GONE, id="cursor lost"),
        pytest.param(
            NetworkTimeout("planted"), DeadlinePassedError, LATE, id="network"
        ),
        pytest.param(
            OperationFailure("planted", 50), DeadlinePassedError, LATE, id="code 50"
        ),
        pytest.param(
            OperationFailure("planted", 262), DeadlinePassedError, LATE, id="code 262"
        ),
        *[
            pytest.param(OperationFailure("x", code), UnavailableError, "MongoDB cannot do this now", id=f"code {code}")
            for code in refusals._PASSING
        ],
        *[
            pytest.param(OperationFailure("x", code), UnavailableError, "MongoDB is overloaded", id=f"code {code}")
            for code in refusals._OVERLOAD
        ],
        pytest.param(
            OperationFailure("x", 96, {"code": 96, "codeName": "OperationFailed", "errmsg": "no"}),
            CommandFailedError, "(OperationFailed) no", id="a command's own error",
        ),
        pytest.param(
            OperationFailure("x", 13, PLANTED | {"codeName": "Unauthorized"}),
            NoRuleError, "MongoDB does not let this deployment do that", id="unauthorized, without the command",
        ),
        pytest.param(
            WriteError("x", 28, {"code": 28, "errmsg": "no"}), CommandFailedError, "(PathNotViable) no", id="a write"
        ),
        pytest.param(
            DuplicateKeyError("x", 11000, DUPLICATE),
            CommandFailedError, "(DuplicateKey) E11000 duplicate key error", id="duplicate",
        ),
        pytest.param(
            bulk(DUPLICATE), CommandFailedError, "(DuplicateKey) E11000 duplicate key error", id="duplicate of many"
        ),
        pytest.param(bulk(), UnconfirmedWriteError, UNCONFIRMED, id="many, not confirmed"),
        pytest.param(WriteConcernError("x", 64, {"code": 64}), UnconfirmedWriteError, UNCONFIRMED, id="not confirmed"),
        pytest.param(InvalidName("bad name"), InvalidParameterError, "bad name", id="name"),
        pytest.param(DocumentTooLarge("too large"), InvalidParameterError, "too large", id="document"),
        pytest.param(InvalidDocument("bad"), InvalidParameterError, "bad", id="BSON"),
        pytest.param(
            ConfigurationError("planted"),
            UnavailableError, "the connection to MongoDB is not configured correctly", id="configuration",
        ),
    ],
)  # fmt: skip
def test_a_driver_error_becomes_the_callers(error: Exception, kind: type[DataAPIError], text: str) -> None:
    shown = refusals.translated(error)

    assert type(shown) is kind
    assert str(shown) == text


def shapes(code: int, text: str = "planted") -> list[PyMongoError]:
    """Return a code of the server in each shape that the driver gives it."""
    details = {"code": code, "errmsg": text}
    return [
        OperationFailure(text, code, {"ok": 0} | details),
        WriteError(text, code, {"index": 0} | details),
        bulk({"index": 0} | details),
    ]


@pytest.mark.parametrize(
    "code", [112, 133, 134, 175, 202, 237, 246, 290, 314, 317, 365, 388, 391, 14031, 64, 100]
)  # fmt: skip
@pytest.mark.parametrize("shape", range(3), ids=["command", "write", "bulk"])
def test_what_passes_is_no_error_of_the_caller(code: int, shape: int) -> None:
    shown = refusals.translated(shapes(code)[shape])

    assert isinstance(shown, UnavailableError)
    assert "planted" not in str(shown)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["SystemOverloadedError"], "MongoDB is overloaded"),
        (["SystemOverloadedError", "RetryableError"], "MongoDB is overloaded"),
        (["RetryableError"], "MongoDB cannot do this now"),
        (["RetryableWriteError"], "MongoDB cannot do this now"),
        (["TransientTransactionError"], "MongoDB cannot do this now"),
    ],
    ids=str,
)
@pytest.mark.parametrize("code", [1, 13, 96, 262, 424_242])
def test_a_label_counts_more_than_a_code(code: int, labels: list[str], text: str) -> None:
    shown = refusals.translated(OperationFailure("planted", code, {"code": code, "errorLabels": labels}))

    assert type(shown) is UnavailableError
    assert str(shown) == text


def test_a_deadline_counts_more_than_a_label() -> None:
    late = ExecutionTimeout("planted", 50, {"code": 50, "errorLabels": ["TransientTransactionError"]})

    assert type(refusals.translated(late)) is DeadlinePassedError


@pytest.mark.parametrize("kind", [AutoReconnect, NetworkTimeout])
def test_a_connection_that_could_not_be_opened_is_no_deadline(kind: type[AutoReconnect]) -> None:
    shown = refusals.translated(kind("planted", {"errorLabels": ["SystemOverloadedError", "RetryableError"]}))

    assert type(shown) is UnavailableError
    assert str(shown) == AWAY


@pytest.mark.parametrize(
    ("labels", "code", "expected"),
    [
        (["SystemOverloadedError", "RetryableError"], 462, True),
        (["SystemOverloadedError"], 134, False),
        (["RetryableError"], 424_242, True),
        ([], 134, True),
        ([], 462, False),
        ([], 96, False),
    ],
)
def test_a_read_is_tried_again_as_the_server_wants(labels: list[str], code: int, expected: bool) -> None:
    assert refusals.may_pass(OperationFailure("x", code, {"code": code, "errorLabels": labels})) is expected


@pytest.mark.parametrize("code", [1, 8])
@pytest.mark.parametrize("shape", range(3), ids=["command", "write", "bulk"])
def test_a_bug_of_the_server_is_no_error_of_the_caller(code: int, shape: int) -> None:
    error = shapes(code)[shape]

    assert refusals.translated(error) is error


@pytest.mark.parametrize("shape", range(3), ids=["command", "write", "bulk"])
def test_what_the_deployment_may_not_do_has_no_rule(shape: int) -> None:
    shown = refusals.translated(shapes(13, str(PLANTED["errmsg"]))[shape])

    assert isinstance(shown, NoRuleError)
    assert "planted" not in str(shown)
    assert "execute command" not in str(shown)


def test_a_write_concern_error_may_have_happened() -> None:
    unsatisfiable = WriteConcernError("planted", 100, {"code": 100, "errmsg": "planted"})

    unconfirmed = {"writeConcernErrors": [{"code": 100, "errmsg": "planted"}]}

    for error in (unsatisfiable, bulk(**unconfirmed), bulk(DUPLICATE, **unconfirmed)):
        shown = refusals.translated(error)
        assert isinstance(shown, UnavailableError)
        assert "may have happened" in str(shown)
        assert "Retry-After" not in shown.headers


def test_an_error_of_our_own_making_stays_one() -> None:
    error = InvalidOperation("bug")

    assert refusals.translated(error) is error


def test_an_acknowledged_write_is_on_disk_of_a_majority() -> None:
    options = clients.client_options("mongodb://h/", Settings())

    assert (options["w"], options["journal"]) == ("majority", True)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        pytest.param("w=1", "w", id="w"),
        pytest.param("maxpoolsize=3", "maxPoolSize", id="case does not matter"),
        pytest.param("replicaSet=r&serverSelectionTimeoutMS=1", "serverSelectionTimeoutMS", id="the second option"),
    ],
)
def test_what_the_uri_sets_wins(query: str, name: str) -> None:
    plain = clients.client_options("mongodb://h/", Settings())

    given = clients.client_options(f"mongodb://u:p@h/db?{query}", Settings())

    assert plain.keys() - given.keys() == {name}


def test_the_page_about_settings_lists_the_options_of_every_client() -> None:
    section = (ROOT / "docs/settings.md").read_text().partition("### Which options does every client get?")[2]
    stated = re.findall(r"`(\w+)(?:=(\w+))?`", section.partition("\n## ")[0])

    options = clients.client_options("mongodb://h/", Settings())

    assert {name for name, _ in stated} - {"MONGO_DB_TIMEOUT_MS"} == options.keys() - {"datetime_conversion"}
    assert {name: value for name, value in stated if value} == {
        name: str(options[name]).lower() for name, value in stated if value
    }


@pytest.mark.parametrize(("timeout_ms", "expected"), [(30_000, 15_000), (20_000, 15_000), (10_000, 7_500)])
def test_a_server_is_waited_for_within_the_deadline(timeout_ms: int, expected: int) -> None:
    options = clients.client_options("mongodb://h/", Settings(mongo_db_timeout_ms=timeout_ms))

    assert options["serverSelectionTimeoutMS"] == expected


def test_the_pool_is_a_setting() -> None:
    assert clients.client_options("mongodb://h/", Settings(mongo_db_max_pool_size=7))["maxPoolSize"] == 7
