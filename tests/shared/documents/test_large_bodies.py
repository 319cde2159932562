"""Large bodies are read as all others are, in slices."""

import time
import timeit
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from bson.code import Code
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.documents import ejson, json_slices, large_bodies
from shared.errors import InvalidJSONError
from shared.turns import FullCollections, at_once
from tests.depth import examples
from tests.steps import share_of_longest

MOST_LEVELS, MOST_MEMBERS = 3, 4

_SCALARS = [
    "7", "-0.5", "1e5", "true", "null", "99999999999999999999", "01", "NaN", "1e999", "tru",
    '""', '"a"',
    '"é\\n"', '"\\""', '"\\\\"', '"[{,"', '"]}"', '":"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"', '"\x01"',
    '{"$binary":{"base64":"QUI=","subType":"80"}}', '{"$binary":{"base64":"","subType":"80"}}',
    '{"$binary":{"base64":"Q=I=","subType":"00"}}',
    '{"$oid":"5f1a2b3c4d5e6f7a8b9c0d1e"}', '{"$oid":1}', '{"$date":"2020-01-01T00:00:00Z"}',
    '{"$date":{"$numberLong":"1"}}',
    '{"$code":"x","$scope":{"a":[1,{"$numberLong":"1"}]}}', '{"$code":"x","$scope":[[1]]}',
    '{"$code":1,"$scope":{"a":[[[[[1]]]]]}}', '{"a":{"$numberInt":"1"},"$numberInt":"1"}',
]  # fmt: skip
_NAMES = ['"a"', '"b"', '""', '"$x"', '"\\u0000"', '"\\u0024oid"']
_SPACES = st.sampled_from(["", "", "", " ", "\n", "\t\r\n  "])
_DAMAGE = b'[]{}",:\\ 01x\n\xff\xc3'


def _array(space: str, items: list[str]) -> str:
    return f"[{space}{f',{space}'.join(items)}{space}]"


def _object(space: str, members: list[tuple[str, str]]) -> str:
    return f"{{{space}{f'{space},'.join(f'{name}{space}:{space}{value}' for name, value in members)}{space}}}"


_values = st.recursive(
    st.sampled_from(_SCALARS) | st.text("x", max_size=40).map(lambda text: f'"{text}"'),
    lambda values: st.one_of(
        st.builds(_array, _SPACES, st.lists(values, max_size=5)),
        st.builds(_object, _SPACES, st.lists(st.tuples(st.sampled_from(_NAMES), values), max_size=5)),
    ),
    max_leaves=12,
)
_bodies = st.builds(
    lambda space, first, second, third: f'{space}{{"d":[{first}],"a":[{second},{second}],"d":{third}}}{space}',
    _SPACES, _values, _values, _values,
)  # fmt: skip


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """Return a body, or something like one."""
    body = bytearray(draw(_bodies | _values).encode(errors="surrogatepass"))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(body)))
        match draw(st.integers(0, 3)):
            case 0:
                del body[place : place + draw(st.integers(1, 8))]
            case 1:
                body[place : place + 1] = bytes([draw(st.sampled_from(_DAMAGE))])
            case 2:
                body.insert(place, draw(st.sampled_from(_DAMAGE)))
            case _:
                del body[place:]
    return bytes(body)


def _told(value: Any) -> Any:
    """Return a value so that others of its type, and of another type, are not equal to it."""
    if isinstance(value, dict):
        return [(name, _told(member)) for name, member in value.items()]
    if isinstance(value, list):
        return "list", [_told(item) for item in value]
    return type(value), repr(value), _told(value.scope) if isinstance(value, Code) else None


def _outcome(read: Callable[[], Any]) -> Any:
    try:
        return _told(read())
    except (InvalidJSONError, orjson.JSONDecodeError) as error:
        return type(error), str(error), getattr(error, "status", None)


@pytest.mark.long
@settings(max_examples=examples(4_000), deadline=None)
@given(_damaged(), st.integers(2, 60))
def test_a_body_is_read_in_slices_as_it_is_at_once(body: bytes, size: int) -> None:
    read = lambda: at_once(large_bodies.loads(body, MOST_LEVELS, MOST_MEMBERS, size))  # noqa: E731

    assert _outcome(read) == _outcome(lambda: ejson.loads(body, MOST_LEVELS, MOST_MEMBERS))


@pytest.mark.long
@settings(max_examples=examples(2_000), deadline=None)
@given(_damaged(), st.integers(2, 60))
def test_a_text_is_parsed_in_slices_as_it_is_at_once(text: bytes, size: int) -> None:
    read = lambda: at_once(json_slices.parsed(text, size))[0]  # noqa: E731

    assert _outcome(read) == _outcome(lambda: orjson.loads(text))


@pytest.mark.parametrize("inner", ["", "1", "{}", "[x]", '{"a":1}', "[", "]", "\xff"])
@pytest.mark.parametrize("levels", [99, 101, 1_017, 1_018, 1_022, 1_023, 1_024, 1_025, 5_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ("[0, ", "]"), ('{"é":0,"a":[', "]}")])
@pytest.mark.parametrize("behind", ["", ",", "x"])
def test_nesting_is_limited_alike(opening: str, closing: str, levels: int, inner: str, behind: str) -> None:
    nested = opening * levels + inner + closing * levels
    body = f'{{"d":{nested}{behind},"d":1}}'.encode("latin-1" if inner == "\xff" else "utf-8") + b" " * 70_000

    sliced = _outcome(lambda: at_once(large_bodies.loads(body, 100, 100, 50)))

    assert sliced == _outcome(lambda: ejson.loads(body, 100, 100))


LARGE = {
    "documents": b'{"documents":[%b]}' % b",".join([b'{"a":1,"b":"text","c":[1,2.5],"d":{"e":null}}'] * 300_000),
    "dates": b'{"documents":[%b]}' % b",".join([b'{"a":{"$date":"2020-01-01T00:00:00Z"},"n":5}'] * 100_000),
    "canonical": b'{"document":{"a":[%b]}}' % b",".join([b'{"b":{"$numberDouble":"1.5"}}'] * 250_000),
    "numbers": b'{"document":{"a":[%b]}}' % b",".join([b"0.123456789012345"] * 800_000),
    "a text": b'{"document":{"a":"%b"}}' % (b"x" * 15_000_000),
    "escapes": b'{"document":{"a":"%b"}}' % (b'\\"' * 7_500_000),
    "binary": b'{"document":{"a":{"$binary":{"base64":"%b","subType":"00"}}}}' % (b"QUJD" * 5_000_000),
    "a scope": b'{"document":{"a":{"$code":"x","$scope":{"a":[%b]}}}}' % b",".join([b'{"$numberInt":"1"}'] * 300_000),
    "a NUL": b'{"d":"\\u0000","documents":[%b]}' % b",".join([b'{"a":1,"b":"text"}'] * 300_000),
    "damaged": b'{"documents":[%b}' % b",".join([b'{"a":1,"b":"text","c":[1,2.5]}'] * 300_000),
}


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE.keys())
def test_no_step_of_reading_is_most_of_it(body: bytes) -> None:
    with FullCollections():
        assert share_of_longest(large_bodies.loads(body, 100, 100_000)) < 0.6


def test_brackets_at_any_depth_are_read_in_time_that_grows_with_them() -> None:
    def seconds(levels: int) -> float:
        body = b'{"a":[%b]}' % b",".join([b"[" * levels + b"0" + b"]" * levels] * (400_000 // levels))
        with FullCollections():
            return min(
                timeit.repeat(lambda: at_once(json_slices.parsed(body)), timer=time.thread_time, number=1, repeat=3)
            )

    assert seconds(400) < 5 * seconds(20)
