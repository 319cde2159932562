"""Log lines."""

import json
import logging
import time

import pytest

from shared import telemetry


def formatted(record: logging.LogRecord) -> dict[str, object]:
    text = telemetry.JSONLines().format(record)
    assert "\n" not in text
    line: dict[str, object] = json.loads(text)
    return line


def record(name: str, message: object, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": name, "msg": message, "levelname": "INFO", "created": 0.5} | extra)


def test_a_line_of_ours_has_its_fields() -> None:
    line = formatted(record("dozen", telemetry.Line("request", {"status": 200})))

    head = {"time": "1970-01-01T00:00:00.500000+00:00", "level": "INFO", "logger": "dozen"}
    assert line == head | {"message": "request", "status": 200}
    assert list(line) == ["time", "level", "logger", "message", "status"]


def test_a_line_of_ours_is_json_for_handlers_that_do_not_know_it() -> None:
    assert (
        record("dozen", telemetry.Line("request", {"status": 200})).getMessage() == '{"message":"request","status":200}'
    )


def test_a_line_of_a_library_is_its_text() -> None:
    line = formatted(record("uvicorn.error", 'two\nlines and a "quote" %s', args=("é",)))

    assert (line["logger"], line["message"]) == ("uvicorn.error", 'two\nlines and a "quote" é')


def test_a_traceback_is_a_field() -> None:
    error = ValueError("x")

    line = formatted(record("asyncio", "lost", exc_info=(ValueError, error, None)))

    assert line["traceback"] == "ValueError: x"


@pytest.mark.parametrize(("status", "level"), [(200, "INFO"), (404, "INFO"), (500, "ERROR"), (503, "ERROR")])
def test_the_level_of_a_request_follows_its_status(caplog: pytest.LogCaptureFixture, status: int, level: str) -> None:
    caplog.set_level(logging.INFO, "dozen")
    line = telemetry.RequestLine("find")
    line.namespace = "shop.items"

    telemetry.request(line, status, time.perf_counter())

    fields = json.loads(caplog.records[-1].getMessage())
    assert caplog.records[-1].levelname == level
    assert fields.pop("duration_ms") >= 0
    assert fields == {
        "message": "request", "operation": "find", "namespace": "shop.items", "caller": None, "status": status,
        "error_code": None,
    }  # fmt: skip
