"""How deep a run goes: quick for every change, DEPTH=full for a commit, which is what .ci/run asks for, or DEPTH=deep.

A full run measures the coverage of what a quick one would do of it.

A quick run leaves out the tests marked `full`, sends a test to one of the two hosts unless it is marked `both_hosts`,
and lets hypothesis try a tenth of its examples; a full run lets it try a quarter of them, a deep one all. What is left
out is deselected and counted, not skipped.
"""

import hashlib
import inspect
import os
import re

import pytest
from hypothesis import settings

HOSTS = ("worker", "server")

_DEPTHS = ("quick", "full", "deep")
_DEPTH = os.environ.get("DEPTH") or "quick"
_NAMES_OF_HOSTS = re.compile(rf"\b(?:{'|'.join(HOSTS)})\b")
_MOST_COVERING = 24  # of the cases of a test
_FIXTURES_OF_HOSTS = ("host", "hosts", "app_host", "small")


def is_full() -> bool:
    """Tell whether the run leaves nothing out."""
    return _DEPTH != "quick"


def examples(number: int) -> int:
    """Return how many examples hypothesis tries where a deep run tries this many."""
    return max(number // {"quick": 10, "full": 4, "deep": 1}[_DEPTH], 20)


@pytest.hookimpl(specname="pytest_configure")
def pytest_refuse_another_depth() -> None:
    """A mistyped depth must not pass for a quick one."""
    if _DEPTH not in _DEPTHS:
        raise pytest.UsageError(f"DEPTH is one of {', '.join(_DEPTHS)}, not {_DEPTH!r}")


@pytest.hookimpl(specname="pytest_configure")
def pytest_take_time() -> None:
    """How long an example takes is the machine's affair: hypothesis fails one of more than 200 ms."""
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


def pytest_report_header() -> str:
    """Say how deep the run goes."""
    return f"depth: {_DEPTH}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only a full run does, and have each worker begin one with its share of the long tests."""
    if is_full():
        covering = _covering(items)
        for item in items:
            if item not in covering:
                item.add_marker("no_cover")
        _begin_with_long(items, getattr(config, "workerinput", {}).get("workercount", 1))
        return
    left_out = [item for item in items if not _is_quick(item)]
    items[:] = [item for item in items if _is_quick(item)]
    config.hook.pytest_deselected(items=left_out)


def _begin_with_long(items: list[pytest.Item], workers: int) -> None:
    """Else one worker would still be at them when the others have nothing left; the first gets the first part."""
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    share = -(-len(others) // workers)
    items[:] = [
        item
        for worker in range(workers)
        for item in (*long[worker::workers], *others[worker * share : (worker + 1) * share])
    ]


def _covering(items: list[pytest.Item]) -> set[pytest.Item]:
    """Choose beside what the coverage is measured, which nearly doubles the time: of each test cases far apart."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if _may_cover(item):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return {case for each in cases.values() for case in each[:: -(-len(each) // _MOST_COVERING)]}


def _may_cover(item: pytest.Item) -> bool:
    """Tell whether a test is in a quick run, too, and takes no more time than most."""
    if not isinstance(item, pytest.Function) or not _is_quick(item) or item.get_closest_marker("long"):
        return False
    has_examples = "examples" in inspect.unwrap(item.function).__code__.co_names
    return not has_examples and not getattr(item.function, "is_hypothesis_test", False)


def _is_quick(item: pytest.Item) -> bool:
    if item.get_closest_marker("full"):
        return False
    if item.get_closest_marker("both_hosts") or not isinstance(item, pytest.Function):
        return True
    given = item.callspec.params if hasattr(item, "callspec") else {}
    on = [given[name] for name in _FIXTURES_OF_HOSTS if given.get(name) in HOSTS]
    return all(host == _host_of(item) for host in on)


def _host_of(item: pytest.Function) -> str:
    """Return the host that this case is sent to: about half of the cases of every test go to each."""
    case = _NAMES_OF_HOSTS.sub("", item.nodeid)
    return HOSTS[hashlib.sha256(case.encode()).digest()[0] % 2]
