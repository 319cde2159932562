"""What make says when an installation cannot begin or go on; what stands for Python is a script of the shell."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts import ROOT

type Make = Callable[..., subprocess.Popen[str]]

ENV = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of a make around us
INSTALL = ".venv/requirements-run.txt"


def _heed_ctrl_c() -> None:
    """Undo what a shell does to a run of the tests in the background, which no trap can undo."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Start make in a clone whose .venv has a script in the place of Python."""
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=lambda _, names: {*names} - {"settings.py"})
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements-run.txt").touch()
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)

    def start(target: str, script: str) -> subprocess.Popen[str]:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        return subprocess.Popen(
            ["make", target],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENV, text=True, start_new_session=True,
            preexec_fn=_heed_ctrl_c,  # noqa: PLW1509  no thread of ours holds what it needs
        )  # fmt: skip

    return start


def test_a_failed_installation_asks_for_network_and_space(make: Make, tmp_path: Path) -> None:
    said, _ = make(INSTALL, "exit 1").communicate()

    assert "pip could not install: is there a network, does a proxy work, and is there space on the disk" in said
    assert not (tmp_path / INSTALL).exists()


def test_ctrl_c_ends_an_installation_in_a_line(make: Make, tmp_path: Path) -> None:
    process = make(INSTALL, "echo begun; exec sleep 60")
    assert process.stdout
    process.stdout.readline()
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate()

    assert said.startswith("stopped; run make again to go on\n")
    assert process.returncode in {130, -signal.SIGINT}
    assert not (tmp_path / INSTALL).exists()


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock")
def test_a_second_installation_waits_for_the_first(make: Make, tmp_path: Path) -> None:
    with (tmp_path / "Makefile").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = make(INSTALL, "exit 0")
        assert process.stdout
        process.stdout.readline()
        waits = process.stdout.readline()
    process.communicate()

    assert waits == "another make installs here: waiting for it\n"
    assert process.returncode == 0


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
@pytest.mark.parametrize("name", ["clone", "a+b(c)[d]{2}.*", "it's a b"])
def test_clean_leaves_what_a_server_runs_from(tmp_path: Path, name: str) -> None:
    clone = tmp_path / name
    python = clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    shutil.copy(ROOT / "Makefile", clone)
    with subprocess.Popen(
        [python, "-c", "import time; print(flush=True); time.sleep(60)", "-m", "server"], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout
        server.stdout.readline()
        refused = subprocess.run(["make", "clean"], cwd=clone, env=ENV, capture_output=True, text=True, check=False)
        server.kill()
    done = subprocess.run(["make", "clean"], cwd=clone, env=ENV, capture_output=True, text=True, check=False)

    assert refused.returncode == 2
    assert str(server.pid) in refused.stdout
    assert "stop this process first" in refused.stderr
    assert done.returncode == 0
    assert not (clone / ".venv").exists()
