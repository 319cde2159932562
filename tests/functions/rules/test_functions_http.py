"""context.http: what functions ask of other hosts, what they are told, and hosts that mean them no good."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson.binary import Binary

from shared import http_client
from shared.endpoint import function_http
from shared.errors import DataAPIError, DeadlinePassedError
from shared.mongo.deadlines import driver_call
from tests.functions.rules.conftest import Scripts
from tests.functions.rules.test_functions_inside import value
from tests.hosts import ROOT, Worker
from tests.other_host import OtherHost, Part, other_host

OK = b"HTTP/1.1 200 OK\r\n"
MB = 1 << 20


@pytest.fixture
async def other(worker: Worker, configured: pytest.MonkeyPatch, scripts: Scripts) -> AsyncIterator[OtherHost]:
    """A host that may be asked, and another name for it that may not."""
    async with other_host() as host:
        configured.setenv("FUNCTIONS_HTTP_HOSTS", f"localhost:{host.port}, 127.0.0.1")
        configured.setenv("FUNCTION_MEMORY_BYTES", str(8 * MB))
        scripts(
            ask="exports = async (method, request) => await context.http[method](request)",
            fails="exports = (method, request) => context.http[method](request).then(() => 'none', (e) => `${e}`)",
        )
        yield host


async def failure(host: OtherHost, answer: list[Part], **request: Any) -> str:
    host.answers["/"] = answer
    return str(await value("fails", "get", {"url": host.url} | request))


async def test_a_reply_has_what_programs_read(other: OtherHost) -> None:
    other.answers["/a"] = [OK + b"content-type: text/plain\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n"
                           b"Content-Length: 5\r\n\r\n", "häß".encode()]  # fmt: skip

    reply = await value("ask", "get", {"url": f"{other.url}/a?x=1"})

    assert reply == {
        "status": "200 OK",
        "statusCode": 200,
        "contentLength": 5,
        "headers": {"Content-Type": ["text/plain"], "Set-Cookie": ["a=1; Path=/", "b=2"], "Content-Length": ["5"]},
        "cookies": {"a": "1", "b": "2"},
        "body": Binary("häß".encode(), 0),
    }
    assert other.requests[0].startswith(b"GET /a?x=1 HTTP/1.1\r\nHost: localhost")


async def test_a_refusal_is_a_reply_and_a_body_a_text(other: OtherHost, scripts: Scripts) -> None:
    other.answers["/"] = [b"HTTP/1.1 404 Not Found\r\n\r\n", b'{"a":{"$numberLong":"5"}}']
    scripts(
        f="""exports = async (url) => {
      const reply = await context.http.get({ url });
      return [reply.statusCode, reply.contentLength, EJSON.parse(reply.body.text()).a];
    }"""
    )

    assert await value("f", other.url) == [404, -1, 5]


@pytest.mark.parametrize(
    ("method", "request_", "head", "body"),
    [
        ("post", {"body": "ä"}, "POST / HTTP/1.1", "ä".encode()),
        ("put", {"body": {"n": 1}, "encodeBodyAsJSON": True}, "Content-Type: application/json",
         b'{"n":{"$numberInt":"1"}}'),
        ("patch", {"body": b"\x00\xff"}, "PATCH / HTTP/1.1", b"\x00\xff"),
        ("post", {}, "Content-Length: 0", b""),
        ("delete", {}, "DELETE / HTTP/1.1", b""),
        ("get", {"headers": {"X-A": ["1", "2"], "X-B": "3"}}, "X-A: 1\r\nX-A: 2\r\nX-B: 3", b""),
        ("get", {"cookies": {"a": "1", "b": "2"}}, "Cookie: a=1; b=2", b""),
        ("get", {"username": "ann", "password": "secret"}, "Authorization: Basic YW5uOnNlY3JldA==", b""),
        ("get", {"headers": {"Accept-Encoding": ["br"]}}, "Accept-Encoding: br", b""),
    ],
)  # fmt: skip
async def test_a_request_is_what_was_asked_for(
    other: OtherHost, method: str, request_: dict[str, Any], head: str, body: bytes
) -> None:
    other.answers["/"] = [OK + b"Content-Length: 0\r\n\r\n"]

    await value("ask", method, {"url": other.url} | request_)

    (request,) = other.requests
    sent, _, content = request.partition(b"\r\n\r\n")
    assert f"\r\n{head}\r\n" in f"\r\n{sent.decode()}\r\n"
    assert content == body


async def test_a_url_may_be_in_parts_and_a_form_be_sent(other: OtherHost) -> None:
    other.answers["/a%20b"] = [OK + b"\r\n"]
    parts = {
        "scheme": "http",
        "host": f"localhost:{other.port}",
        "path": "/a b",
        "query": {"x": ["1", "2"], "y": ["&"]},
    }

    await value("ask", "post", {**parts, "form": {"name": "ä"}})
    await value("ask", "head", {"url": f"http://ann:secret@localhost:{other.port}/a%20b#part"})

    first, second = (each.decode() for each in other.requests)
    assert first.startswith("POST /a%20b?x=1&x=2&y=%26 HTTP/1.1")
    assert 'Content-Disposition: form-data; name="name"\r\n\r\nä\r\n' in first
    assert second.startswith("HEAD /a%20b HTTP/1.1")
    assert "Authorization: Basic YW5uOnNlY3JldA==" in second


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ([OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"2;x=y\r\nde\r\n0\r\n\r\n"], b"abcde"),
        ([OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"abc" * 50_000)], b"abc" * 50_000),
        ([OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"], b""),
        ([OK + b"Content-Encoding: br\r\n\r\n", b"abc"], b"abc"),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"\r\nabc"], b"abc"),
        ([b"HTTP/1.0 200\n\nabc"], b"abc"),
        ([b"HTTP/1.1 204 None\r\nContent-Length: 9\r\n\r\n", None], b""),
        ([OK + b"Content-Type: text/plain; charset=latin1\r\n\r\n\xe4\xff"], b"\xe4\xff"),
    ],
    ids=["chunked", "gzip", "empty gzip", "another encoding", "hints", "HTTP/1.0", "no content", "another charset"],
)  # fmt: skip
async def test_bodies_come_through(other: OtherHost, answer: list[Part], body: bytes) -> None:
    other.answers["/"] = answer

    assert (await value("ask", "get", {"url": other.url}))["body"] == Binary(body, 0)


async def test_requests_are_done_side_by_side(other: OtherHost, scripts: Scripts) -> None:
    both = asyncio.Barrier(2)

    async def answer() -> AsyncIterator[bytes]:
        await both.wait()
        yield OK + b"\r\n"

    other.answers["/"] = answer
    scripts(f="exports = (url) => Promise.all([1, 2].map(() => context.http.get({ url }))).then((all) => all.length)")

    assert await value("f", other.url) == 2


UNREADABLE = "gave no reply that can be read"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([b"220 mail.example ESMTP\r\n"], UNREADABLE),
        ([], UNREADABLE),
        ([OK], UNREADABLE),
        ([OK + b"A: " + b"x" * 70_000 + b"\r\n\r\n"], UNREADABLE),
        ([OK + b"A: b\r\n" * 20_000], UNREADABLE),
        ([OK + b"A: b\r\n" * 200 + b"\r\n"], UNREADABLE),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" * 20], UNREADABLE),
        ([OK + b"Content-Length: 5\r\n\r\nabc"], UNREADABLE),
        ([OK + b"Content-Length: -1\r\n\r\nabc"], UNREADABLE),
        ([OK + b"Content-Length: 99999999999999999999\r\n\r\nabc"], UNREADABLE),
        ([OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"], UNREADABLE),
        ([OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef"], UNREADABLE),
        ([OK + b"Transfer-Encoding: gzip\r\n\r\n3\r\nabcdef"], UNREADABLE),
        ([OK + b"Content-Encoding: gzip\r\n\r\nabcdef"], UNREADABLE),
        ([OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"abc")[:-6]], UNREADABLE),
        ([OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(64 * MB), 1)], "exceed FUNCTION_MEMORY_BYTES"),
        ([OK + b"Content-Length: 99999999\r\n\r\n" + bytes(9 * MB), None], "exceed FUNCTION_MEMORY_BYTES"),
    ],
    ids=["no HTTP", "nothing", "no headers", "a long header", "endless headers", "many headers", "endless hints",
         "cut off", "a negative length", "a long length", "a large chunk", "a chunk without end", "an unknown coding",
         "no gzip", "half of a gzip", "a bomb", "too much"],
)  # fmt: skip
async def test_a_reply_that_is_none_is_an_error_of_the_function(other: OtherHost, answer: list[Part], why: str) -> None:
    assert why in await failure(other, answer)


async def test_a_body_without_end_ends_at_the_limit(other: OtherHost) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield OK + b"\r\n"
        while True:
            yield bytes(64 * 1024)

    other.answers["/"] = endless

    assert "exceed FUNCTION_MEMORY_BYTES" in await value("fails", "get", {"url": other.url})


async def test_who_does_not_answer_keeps_no_call_beyond_its_deadline(other: OtherHost) -> None:
    other.answers["/"] = [OK, None]

    with pytest.raises(DeadlinePassedError), driver_call(700):
        await value("ask", "get", {"url": other.url})


@pytest.mark.parametrize(
    ("status", "method", "request_", "followed"),
    [
        (302, "post", {"body": "x"}, b"GET /b HTTP/1.1"),
        (303, "put", {"body": "x"}, b"GET /b HTTP/1.1"),
        (307, "post", {"body": "x"}, b"POST /b HTTP/1.1"),
        (301, "head", {}, b"HEAD /b HTTP/1.1"),
    ],
)
async def test_redirects_are_followed_where_that_is_asked_for(
    other: OtherHost, status: int, method: str, request_: dict[str, Any], followed: bytes
) -> None:
    other.answers["/a"] = [b"HTTP/1.1 %d Moved\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n" % status]
    other.answers["/b"] = [OK + b"Content-Length: 0\r\n\r\n"]
    request = {"url": f"{other.url}/a", **request_}

    assert (await value("ask", method, request))["statusCode"] == status
    assert (await value("ask", method, {**request, "followRedirects": True}))["statusCode"] == 200
    assert other.requests[-1].startswith(followed)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("http://127.0.0.1:{port}/", "the host '127.0.0.1:{port}' is not in FUNCTIONS_HTTP_HOSTS"),
        ("http://169.254.169.254/latest/meta-data/", "the host '169.254.169.254' is not in FUNCTIONS_HTTP_HOSTS"),
        ("//elsewhere.example/", "the host 'elsewhere.example' is not in FUNCTIONS_HTTP_HOSTS"),
        ("file:///etc/passwd", "the URL cannot be used"),
        ("gopher://localhost:{port}/", "the URL cannot be used"),
        ("/", "there are more than 10 redirects"),
    ],
)
async def test_a_redirect_leads_nowhere_else(other: OtherHost, place: str, why: str) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % place.format(port=other.port).encode()

    assert why.format(port=other.port) in await failure(other, [moved], followRedirects=True)


async def test_credentials_stay_with_the_host_that_they_are_for(
    other: OtherHost, configured: pytest.MonkeyPatch, scripts: Scripts
) -> None:
    configured.setenv("FUNCTIONS_HTTP_HOSTS", f"localhost:{other.port}, 127.0.0.1:{other.port}")
    scripts(ask="exports = (request) => context.http.get(request)")
    secrets = {"username": "ann", "password": "secret", "cookies": {"a": "secret"}, "headers": {"X-A": ["b"]}}
    other.answers["/c"] = [OK + b"\r\n"]
    for there in (f"http://127.0.0.1:{other.port}/c", "/c"):
        other.answers["/"] = [b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % there.encode()]
        await value("ask", {"url": other.url, "followRedirects": True, **secrets})

    elsewhere, same = other.requests[1], other.requests[3]
    assert (b"Authorization" in elsewhere, b"Cookie" in elsewhere, b"X-A: b" in elsewhere) == (False, False, True)
    assert (b"Authorization" in same, b"Cookie" in same) == (True, True)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1/", "cannot be reached"),  # it may be asked, but nobody is there
        ("http://127.0.0.2:{port}/", "is not in FUNCTIONS_HTTP_HOSTS"),
        ("http://[::1]:{port}/", "is not in FUNCTIONS_HTTP_HOSTS"),
        ("http://0/", "is not in FUNCTIONS_HTTP_HOSTS"),
        ("http://localhost:{port}@evil.example/", "the host 'evil.example' is not in FUNCTIONS_HTTP_HOSTS"),
        ("http://evil.example#@localhost:{port}/", "the host 'evil.example' is not in FUNCTIONS_HTTP_HOSTS"),
        ("http://evil.example\\@localhost:{port}/", "the URL cannot be used"),
        ("http://evil.example\t@localhost:{port}/", "the URL cannot be used"),
        ("http://localhost:{port}/ HTTP/1.1\r\nHost: evil", "the URL cannot be used"),
        ("http://loc%61lhost:{port}/", "the URL cannot be used"),
        ("ftp://localhost:{port}/", "the URL cannot be used"),
        ("localhost:{port}", "the URL cannot be used"),
        ("http:///", "the URL cannot be used"),
        ("http://localhost:99999/", "the URL cannot be used"),
    ],
)
async def test_only_hosts_that_are_named_are_asked(other: OtherHost, url: str, why: str) -> None:
    assert why in await value("fails", "get", {"url": url.format(port=other.port)})
    assert other.requests == []


async def test_a_name_that_leads_inside_is_not_followed(
    other: OtherHost, configured: pytest.MonkeyPatch, scripts: Scripts
) -> None:
    configured.setenv("FUNCTIONS_HTTP_HOSTS", f"*, localhost:{other.port}")
    scripts(f="exports = (url) => context.http.get({ url })")

    with pytest.raises(DataAPIError, match="has no public address, and none that FUNCTIONS_HTTP_HOSTS names"):
        await value("f", other.url)
    assert other.requests == []


async def test_without_a_list_nobody_is_asked(worker: Worker, scripts: Scripts) -> None:
    scripts(f="exports = () => context.http.get({ url: 'https://api.example.com/' })")

    with pytest.raises(DataAPIError, match=r"the host 'api\.example\.com' is not in FUNCTIONS_HTTP_HOSTS"):
        await value("f")


async def test_proxies_and_credentials_of_the_process_take_no_part(
    other: OtherHost, configured: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        configured.setenv(name, "http://127.0.0.1:9/")
    other.answers["/"] = [OK + b"\r\n"]

    await value("ask", "get", {"url": other.url})

    names = {line.partition(b":")[0] for line in other.requests[0].split(b"\r\n")[1:]}
    assert names == {b"Host", b"Connection", b"Accept-Encoding", b"User-Agent", b""}


@pytest.mark.parametrize(
    ("method", "request_", "why"),
    [
        ("get", {"headers": {"A": ["b\r\nHost: evil"]}}, "has a value with a character that none may have"),
        ("get", {"headers": {"A\r\nB": ["c"]}}, "has a name that HTTP does not have"),
        ("get", {"headers": {"": ["c"]}}, "has a name that HTTP does not have"),
        ("get", {"headers": {"host": ["evil"]}}, "the header 'host' is not a function's to set"),
        ("get", {"headers": {"Transfer-Encoding": ["chunked"]}}, "is not a function's to set"),
        ("get", {"headers": {"A": [{}]}}, "'A' of a request must be an array of strings"),
        ("get", {"headers": []}, "'headers' of a request must be an object"),
        ("get", {"cookies": {"a": "b; c=d"}}, "a cookie has a name or a value"),
        ("get", {"cookies": {"a": "b\nc"}}, "a cookie has a name or a value"),
        ("get", {"body": "x"}, "'get' has no body"),
        ("post", {"body": {"a": 1}}, "'body' of a request must be a string, or an object with 'encodeBodyAsJSON'"),
        ("post", {"body": "x", "form": {}}, "a request has a 'body' or a 'form'"),
        ("post", {"form": {'a"b': "c"}}, "a field of a form has a name"),
        ("get", {"digestAuth": True}, "'digestAuth' is not served here"),
        ("get", {"authUrl": "http://x"}, "'authUrl' is not served here"),
        ("get", {"timeout": 5}, "a request has no member 'timeout'"),
        ("get", {"url": 5}, "'url' of a request must be a string"),
        ("get", {"url": None}, "a request has a 'url', or a 'host'"),
    ],
)
async def test_what_is_not_served_fails_by_name(
    other: OtherHost, method: str, request_: dict[str, Any], why: str
) -> None:
    assert why in await value("fails", method, {"url": other.url} | request_)
    assert other.requests == []


async def test_requests_of_one_call_have_so_many_connections(other: OtherHost, scripts: Scripts) -> None:
    open_, most = 0, 0
    full = asyncio.Event()

    async def answer() -> AsyncIterator[bytes]:
        nonlocal open_, most
        open_ += 1
        most = max(most, open_)
        if open_ == 25:
            full.set()
        await full.wait()
        await asyncio.sleep(0.05)  # one more would come meanwhile
        open_ -= 1
        yield OK + b"\r\n"

    other.answers["/"] = answer
    scripts(
        f="exports = (url) => Promise.all([...Array(40)].map(() => context.http.get({ url }))).then((a) => a.length)"
    )

    assert (await value("f", other.url), most) == (40, 25)


async def test_names_that_the_other_chose_are_names(other: OtherHost, scripts: Scripts) -> None:
    names = b"".join(b"%s: x\r\n" % each for each in (b"__proto__", b"constructor", b"$oid"))
    other.answers["/"] = [OK + names + b"Set-Cookie: __proto__=1\r\nSet-Cookie: $undefined=2\r\n\r\n"]
    scripts(f="exports = async (url) => { const r = await context.http.get({ url }); return JSON.stringify(r) }")

    reply = json.loads(await value("f", other.url))

    assert reply["headers"] == {
        "__proto__": ["x"], "Constructor": ["x"], "$oid": ["x"], "Set-Cookie": ["__proto__=1", "$undefined=2"],
    }  # fmt: skip
    assert reply["cookies"] == {"__proto__": "1", "$undefined": "2"}


def test_the_page_has_the_numbers_of_the_code() -> None:
    page = (ROOT / "docs" / "functions.md").read_text()

    assert f"A call has at most {function_http._CONNECTIONS} connections" in page
    assert f"at most {http_client._MOST_REDIRECTS} times" in page
    assert re.findall(r"`(\w+)`", page.partition("Members of a request: ")[2].partition("\n")[0]) == sorted(
        function_http._MEMBERS - {*function_http._NOT_DONE}
    )
