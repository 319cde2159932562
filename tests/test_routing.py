"""The server's table of routes against the routing of Azure's host: the same function, the same parameters."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.hosts import ROOT, Worker
from tests.test_index import ALL, FUNCTIONS

type Routed = tuple[str, dict[str, str]]
type Find = Callable[[str, str], Routed]

VALUES = [
    "x", "v1", "beta", "local-userpass", "anon-user", "api_keys", "confirm", "a b", "é", ".", "..", "{x}", "*", "+",
    "%20", "%25", "%00", "%0A", "a%0Ab", "%C3%A9", "%E2%84%AA", "%FF", "%", "%2", "%7Bx%7D", "api_%E2%84%AAeys",
]  # fmt: skip
LITERALS = sorted({segment for route, _ in FUNCTIONS.values() for segment in route.split("/") if segment[0] != "{"})
ENDS = ["", "/", "//", "/%0A", "%0A"]


def encoded(segment: str) -> str:
    return "".join(f"%{ord(character):02x}" for character in segment)


def segments_of(part: str) -> st.SearchStrategy[str]:
    """Return what a caller may send for a part of a route: mostly what belongs there."""
    if part.startswith("{"):
        return st.sampled_from(VALUES) | st.sampled_from([*LITERALS, ""])
    right = st.sampled_from([part, part, part, part, part.upper(), part.title(), encoded(part), part[0] + "%2e"])
    return right | right | st.sampled_from([*VALUES, ""])


def paths_of(route: str) -> st.SearchStrategy[str]:
    return st.tuples(*map(segments_of, route.split("/"))).map("/".join)


routes = st.sampled_from([route for route, _ in FUNCTIONS.values() if not route.startswith("{*")])
anything = st.lists(st.sampled_from([*VALUES, *LITERALS, ""]), max_size=9).map("/".join)
paths = st.builds("/{}{}".format, routes.flatmap(paths_of) | anything, st.sampled_from(ENDS))


@pytest.fixture(scope="module")
def find() -> Iterator[Find]:
    """Ask the server's own table."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.routes_process"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        requests, replies = process.stdin, process.stdout
        while replies.readline() != "\n":
            assert process.poll() is None

        def find(method: str, path: str) -> Routed:
            requests.write(json.dumps([method, path]) + "\n")
            requests.flush()
            name, parameters = json.loads(replies.readline())
            return name, parameters

        yield find


@settings(max_examples=2_000, deadline=None)
@given(st.sampled_from(sorted(ALL)), paths)
@example("POST", "/")
@example("POST", "//")
@example("GET", "/health/live/")
@example("GET", "/health/live%0A")
@example("POST", "/a%0Ab")
def test_the_server_routes_as_azures_host(worker: Worker, find: Find, method: str, path: str) -> None:
    function, parameters = worker.route(method, path)

    assert find(method, path) == (function.name, parameters)


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "get"])
@settings(max_examples=100, deadline=None)
@given(paths)
def test_the_last_function_takes_other_methods(find: Find, method: str, path: str) -> None:
    assert find(method, path)[0] == "fallback"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_found_by_its_own_route(find: Find, name: str) -> None:
    route, methods = FUNCTIONS[name]
    path = "/" + route.replace("{*", "{")

    found = {find(method, path)[0] for method in methods}

    assert found == {name}


@pytest.mark.parametrize(
    ("path", "name", "parameters"),
    [
        pytest.param(
            "/APP/Aa/Endpoint/DATA/V1/Action/FINDONE", "findOne", {"app_id": "Aa", "version": "V1"}, id="case"
        ),
        pytest.param("/app/a%20b/endpoint/data/v1/action/f%69nd", "find", {"app_id": "a b", "version": "v1"}, id="%"),
        pytest.param("/api/client/v2.0/auth/api_keys/x/", "apiKey", {"key_id": "x"}, id="a slash at the end"),
        pytest.param("/api/client/v2.0/auth/api_keys//", "fallback", None, id="two slashes at the end"),
        pytest.param("/app//endpoint/data/v1/action/find", "fallback", None, id="an empty parameter"),
        pytest.param("/api/client/v2.0/auth/api_%E2%84%AAeys", "fallback", None, id="the Kelvin sign"),
        pytest.param("/health/live%0A", "fallback", None, id="a line feed at the end"),
        pytest.param("/a%0Ab", "fallback", None, id="a line feed"),
    ],
)
def test_a_path_has_one_function(find: Find, path: str, name: str, parameters: Any) -> None:
    found = find("GET" if "health" in path else "POST", path)

    assert found[0] == name
    assert parameters in (None, found[1])


def test_literals_come_before_parameters() -> None:
    code = """
from server.routes import Route, Routes
def function(name):
    async def named(): ...
    named.__name__ = name
    return named
paths = ["{*rest}", "a/{x}/c", "a/b/{y}", "{z}/b/c", "a/b/c", "a/{x}/{y}"]
routes = Routes(Route(path, frozenset({"GET"} if path != "a/b/c" else {"PUT"}), function(path)) for path in paths)
for method, path in [("PUT", "/a/b/c"), ("GET", "/a/b/c"), ("GET", "/a/d/c"), ("GET", "/a/d/e"), ("GET", "/d/b/c"),
                     ("PUT", "/a/d/c")]:
    print(routes.find(method, path)[0].__name__)
"""

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[1:] == ["a/b/c", "a/b/{y}", "a/{x}/c", "a/{x}/{y}", "{z}/b/c", "{*rest}"]
