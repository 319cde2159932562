"""Log lines."""

import json
import logging

import pytest

from shared.telemetry.log import JSONLines, Line
from shared.telemetry.reporting import Reporting
from shared.telemetry.requests import RequestLine


def formatted(record: logging.LogRecord) -> dict[str, object]:
    text = JSONLines().format(record)
    assert "\n" not in text
    line: dict[str, object] = json.loads(text)
    return line


def record(name: str, message: object, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": name, "msg": message, "levelname": "INFO", "created": 0.5} | extra)


def test_a_line_of_ours_has_its_fields() -> None:
    line = formatted(record("dozen", Line({"message": "request", "status": 200})))

    head = {"time": "1970-01-01T00:00:00.500000+00:00", "level": "INFO", "logger": "dozen"}
    assert line == head | {"message": "request", "status": 200}
    assert list(line) == ["time", "level", "logger", "message", "status"]


def test_a_line_of_ours_is_json_for_handlers_that_do_not_know_it() -> None:
    assert (
        record("dozen", Line({"message": "request", "status": 200})).getMessage()
        == '{"message":"request","status":200}'
    )


def test_a_line_of_a_library_is_its_text() -> None:
    line = formatted(record("uvicorn.error", 'two\nlines and a "quote" %s', args=("é",)))

    assert (line["logger"], line["message"]) == ("uvicorn.error", 'two\nlines and a "quote" é')


def test_an_exception_is_its_type_and_where_it_was_raised_but_not_its_text() -> None:
    with pytest.raises(ValueError, match="planted") as raised:
        int("planted")

    line = formatted(record("uvicorn.error", "failed", exc_info=(ValueError, raised.value, raised.tb)))

    assert line["type"] == "ValueError"
    assert 'int("planted")' in str(line["traceback"])  # the source's line, not the value
    assert "invalid literal" not in str(line)


def test_what_asyncio_says_of_a_lost_task_ends_with_its_first_line() -> None:
    line = formatted(record("asyncio", "Task exception was never retrieved\nfuture: <Task exception=E('planted')>"))

    assert line["message"] == "Task exception was never retrieved"


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (200, "INFO"),
        (404, "INFO"),
        (401, "WARNING"),
        (403, "WARNING"),
        (429, "WARNING"),
        (500, "ERROR"),
        (503, "ERROR"),
    ],
)
def test_the_level_of_a_request_follows_its_status(caplog: pytest.LogCaptureFixture, status: int, level: str) -> None:
    caplog.set_level(logging.INFO, "dozen")
    line = RequestLine("find")
    line.namespace = "shop.items"

    Reporting().request(line, status, 10, 20)

    fields = json.loads(caplog.records[-1].getMessage())
    assert caplog.records[-1].levelname == level
    assert fields.pop("duration_ms") >= 0
    assert fields == {
        "message": "request", "operation": "find", "namespace": "shop.items", "caller": None, "status": status,
        "error_code": None, "documents": None, "request_bytes": 10, "reply_bytes": 20, "trace_id": line.trace_id,
    }  # fmt: skip
