"""What the tests store goes to memory where there is room: a mongod creates a collection there four times as fast."""

import gc
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")  # noqa: S108  pytest makes a folder of the user's own in it
_ROOM = 2 * 2**30


@pytest.hookimpl(specname="pytest_configure")
def pytest_move_to_memory() -> None:
    """Have pytest make its temporary folders in memory, unless somebody has chosen their place."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


@pytest.hookimpl(specname="pytest_sessionfinish", wrapper=True, tryfirst=True)
def pytest_leave_memory(session: pytest.Session) -> Generator[None]:
    """Remove what a run has stored when all went well; after a failure it stays until the next run, to be looked at."""
    yield
    folder = session.config._tmp_path_factory._basetemp  # type: ignore[attr-defined]
    is_worker = hasattr(session.config, "workerinput")  # its folder is in that of the run
    if folder is not None and not is_worker and session.exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector thousands of tests, which all stay until the end."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected
