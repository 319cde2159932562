"""Recorded calls: entries of a HAR, or lines of JSON."""

import base64
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

import orjson

from admin import text_lines
from admin.process import StoppedError

LARGEST_HAR = 512 * 1024 * 1024
LONGEST = 64 * 1024 * 1024
"""Bytes of a line, or of what was compressed."""

_PATH = re.compile(r"/app/[^/]{1,200}/endpoint/data/(?:v1|beta)/action/([A-Za-z]{1,50})/?")
_SPACE = b" \t\r\n"


class Recorded(NamedTuple):
    """A call as it was recorded; the reply is None where there is none."""

    number: int
    action: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    reply: bytes | None
    at: datetime | None


class NotReadableError(Exception):
    """What was recorded is no call that can be sent; the message says why."""


class Ignored(NamedTuple):
    """Why an entry is left out."""

    number: int
    reason: str


FOREIGN, PREFLIGHT = "not a call of the Data API", "not sent by POST"


def read(source: BinaryIO) -> Iterator[Recorded | Ignored]:
    """Yield what is in a file: one HAR, or lines of JSON; raise StoppedError if it is neither."""
    head = text_lines.piece(source, 0, LARGEST_HAR)
    if not head.strip():
        head = text_lines.piece(source, 1, LARGEST_HAR)
    first = _document(head)
    if first is None or "log" in first:
        yield from _entries(_har(head, source) if first is None else first)
        return
    yield _of(1, lambda: _of_line(1, first))
    for number, line in enumerate(text_lines.lines(source, LONGEST), 2):
        parsed = None if line is None else _document(line)
        yield Ignored(number, "not an object of JSON") if parsed is None else _of_parsed(number, parsed)


def _of_parsed(number: int, parsed: dict[str, Any]) -> Recorded | Ignored:
    return _of(number, lambda: _of_line(number, parsed))


def _of(number: int, make: Any) -> Recorded | Ignored:
    try:
        made: Recorded | Ignored = make()
    except (NotReadableError, KeyError, TypeError, ValueError, AttributeError) as error:
        why = str(error) if isinstance(error, NotReadableError) else "a member is missing, or of the wrong type"
        return Ignored(number, why)
    return made


def _document(text: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _har(head: bytes, source: BinaryIO) -> dict[str, Any]:
    rest = source.read(LARGEST_HAR - len(head) + 1)
    if len(head) + len(rest) > LARGEST_HAR:
        raise StoppedError(f"a HAR of more than {LARGEST_HAR >> 20} MiB: make lines of its entries")
    found = _document(head + rest)
    if found is None:
        raise StoppedError("this is neither a HAR nor lines of JSON: it is damaged, or ends too early")
    return found


def _entries(har: dict[str, Any]) -> Iterator[Recorded | Ignored]:
    log = har.get("log")
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise StoppedError("this is no HAR: it has no log.entries")
    for number, entry in enumerate(entries, 1):
        yield _of(number, lambda entry=entry, number=number: _of_entry(number, entry))


def _of_entry(number: int, entry: dict[str, Any]) -> Recorded | Ignored:
    request, response = entry["request"], entry["response"]
    headers = {str(each["name"]).lower(): str(each["value"]) for each in request.get("headers", [])}
    posted = request.get("postData") or {}
    content = response.get("content") or {}
    reply = _text(content.get("text"), content.get("encoding"))
    sent = _text(posted.get("text"), posted.get("encoding"))
    return _recorded(
        number,
        request["method"],
        request["url"],
        headers,
        sent,
        response["status"],
        reply,
        entry.get("startedDateTime"),
    )


def _of_line(number: int, line: dict[str, Any]) -> Recorded | Ignored:
    headers = {str(name).lower(): str(value) for name, value in (line.get("headers") or {}).items()}
    body, reply = _written(line.get("body")), _written(line.get("response"))
    url = line["url"] if "url" in line else line["path"]
    return _recorded(number, line.get("method", "POST"), url, headers, body, line["status"], reply, line.get("time"))


def _recorded(  # noqa: PLR0913, PLR0917  what a call consists of
    number: int, method: Any, url: str, headers: dict[str, str], body: bytes | None, status: Any, reply: Any, at: Any
) -> Recorded | Ignored:
    match = _PATH.fullmatch(urlsplit(url).path)
    if match is None:
        return Ignored(number, FOREIGN)
    if method != "POST":
        return Ignored(number, PREFLIGHT)
    if type(status) is not int or not 100 <= status <= 999:
        raise NotReadableError("no reply was recorded")
    return Recorded(
        number, match[1], headers, _decompressed(body or b""), status,
        None if reply is None else _decompressed(reply), _moment(at),
    )  # fmt: skip


def _text(text: Any, encoding: Any) -> bytes | None:
    if text is None:
        return None
    return base64.b64decode(text, validate=True) if encoding == "base64" else str(text).encode()


def _written(value: Any) -> bytes | None:
    """Return a body that is a text, or else JSON."""
    return value.encode() if isinstance(value, str) else None if value is None else orjson.dumps(value)


def _decompressed(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        found = gzip.GzipFile(fileobj=io.BytesIO(data)).read(LONGEST + 1)
    except (EOFError, OSError, zlib.error):
        raise NotReadableError("its compressed content is damaged") from None
    if len(found) > LONGEST:
        raise NotReadableError(f"its content is larger than {LONGEST >> 20} MiB")
    return found


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
