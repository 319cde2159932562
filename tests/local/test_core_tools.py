"""`make func`: which port Core Tools are started on; what stands in for them writes down how it was called."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import ROOT

EXAMPLE = json.loads((ROOT / "local.settings.json.example").read_text())


@pytest.fixture
def func(tmp_path: Path) -> Path:
    tool = tmp_path / "func"
    tool.write_text('#!/bin/sh\necho "$@"\ncommand -v python\n')
    tool.chmod(0o755)
    return tool


def start(folder: Path, settings: Any = None, **env: str) -> subprocess.CompletedProcess[str]:
    if settings is not None:
        (folder / "local.settings.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    return subprocess.run(
        [sys.executable, "-m", "local.core_tools"],
        cwd=folder,
        env={"PATH": f"{folder}{os.pathsep}/usr/bin:/bin", "PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "env", "port"),
    [
        pytest.param(EXAMPLE, {}, "7071", id="the example"),
        pytest.param({"Values": {"LISTEN_PORT": "8080"}}, {}, "8080", id="the settings"),
        pytest.param({"Values": {"LISTEN_PORT": "8080"}}, {"LISTEN_PORT": "9090"}, "9090", id="the environment wins"),
        pytest.param({"Values": {}, "Host": {"LocalHttpPort": 6060}}, {}, "6060", id="Core Tools' own"),
        pytest.param({}, {}, "7071", id="the default"),
    ],
)
def test_func_start_listens_on_listen_port(func: Path, settings: Any, env: dict[str, str], port: str) -> None:
    done = start(func.parent, settings, **env)

    assert done.stdout.splitlines() == [f"start --port {port}", str(Path(sys.executable).parent / "python")]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        pytest.param(None, "There is no local.settings.json: copy local.settings.json.example", id="no settings"),
        pytest.param("{", "local.settings.json is not JSON: ", id="not JSON"),
        pytest.param(
            {"Values": {"LISTEN_PORT": "x"}},
            "LISTEN_PORT is not usable: expected a whole number from 1 to 65535",
            id="no port",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(func: Path, settings: Any, sentence: str) -> None:
    done = start(func.parent, settings)

    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 1


def test_without_core_tools_it_says_so(tmp_path: Path) -> None:
    done = start(tmp_path, EXAMPLE)

    assert done.stderr.startswith("There is no `func` on the PATH: ")
    assert done.returncode == 1
