"""Whatever a function makes of its response, it is one that HTTP has, or an error of the function."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.endpoint.function_responses import Made, function_response
from shared.endpoint.http import Exchange
from shared.errors import FunctionFailedError
from tests.depth import examples

OWN = {"Vary": "Origin", "Access-Control-Allow-Origin": "https://page.example"}
NAMES = st.sampled_from(
    ["X-A", "x-a", "Content-Type", "Vary", "Set-Cookie", "Connection", "Content-Length", "Transfer-Encoding", "a b", ""]
)
VALUES = st.sampled_from(["text/html", "text/x; charset=latin1", "a=b; Secure", "a\r\nX: b", "\0", " x ", "*", "=", ""])
ANYTHING = st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.text(), max_size=2)
HEADERS = st.lists(st.lists(NAMES | VALUES | st.text(), min_size=2, max_size=2) | ANYTHING, max_size=5)


def made(method: str, answer: dict[str, Any]) -> Any:
    exchange = SimpleNamespace(headers=dict(OWN), request=SimpleNamespace(method=method))
    return function_response(cast(Exchange, exchange), Made.of(answer), "application/json")


@settings(max_examples=examples(2_000), deadline=None)
@given(
    st.sampled_from(["GET", "HEAD"]),
    st.fixed_dictionaries(
        {}, optional={"status": st.integers(0, 700) | ANYTHING, "headers": HEADERS, "body": ANYTHING}
    ),
)
@example("GET", {"status": 200, "headers": [["set-cookie", "a=b"], ["Set-Cookie", "c=d; Path=/"]], "body": "x"})
@example("GET", {"status": True, "headers": []})
@example("GET", {"headers": [["X", "a\n"]]})
@example("GET", {"headers": [["X" * 9_000, "a" * 9_000]]})
def test_a_response_is_one_or_the_function_has_failed(method: str, answer: dict[str, Any]) -> None:
    try:
        response = made(method, answer)
    except FunctionFailedError:
        return

    body = response.get_body()
    names = [name.lower() for name in response.headers.keys()]  # noqa: SIM118  it is no mapping
    assert response.status_code in range(200, 600)
    assert not body or (method != "HEAD" and response.status_code not in {204, 205, 304})
    assert not {"connection", "content-length", "transfer-encoding", "content-type"} & set(names)
    assert len(set(names) - {"set-cookie"}) == len([name for name in names if name != "set-cookie"])
    assert "origin" in response.headers["vary"].lower()
    for name, value in [*response.headers.items(), ("Content-Type", response.mimetype)]:
        assert re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
        assert re.fullmatch(r"[\t -~]*", value)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_cookies_may_be_several_and_texts_of_any_charset(size: int) -> None:
    headers = [["Set-Cookie", "a=b"], ["set-cookie", "c=d; Path=/"], ["content-type", "text/x; charset=latin1"]]

    response = made("GET", {"headers": headers, "body": b"x" * size})

    assert response.headers.get_all("set-cookie") == ["a=b", "c=d; Path=/"]
    assert (response.mimetype, response.charset, response.get_body()) == ("text/x", "latin1", b"x" * size)
