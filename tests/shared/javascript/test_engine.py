"""The engine of a process: imported where it is needed, and runs that are ready before they are asked for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.javascript.engine import READY, Engine
from shared.javascript.script import Script
from shared.settings import Settings
from tests.functions.rules.conftest import SETTINGS
from tests.hosts import ROOT
from tests.javascript import ENGINE, LIMITS, started


@pytest.mark.parametrize(("has_functions", "imported"), [(True, "True"), (False, "False")])
def test_an_app_without_functions_imports_no_engine(tmp_path: Path, has_functions: bool, imported: str) -> None:
    folder = shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop")
    source = folder / "functions" / "echo.js"
    source.rename(source if has_functions else source.with_suffix(".txt"))
    code = "import sys, function_app; print('quickjs' in sys.modules)"
    environ = SETTINGS | {"MONGO_DB_URI": "mongodb://127.0.0.1:1", "APP_CONFIG_DIR": str(folder)}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, check=True, text=True
    )

    assert done.stdout.splitlines()[-1] == imported


def test_a_run_is_not_short_while_nobody_knows_how_long_it_will_be() -> None:
    script = Script(ENGINE.prelude, LIMITS)
    seen: list[bool] = []

    script._turn(lambda: seen.append(script.is_short))

    assert (seen, script.is_short) == ([False], True)


async def test_runs_are_made_ready_for_the_next_calls() -> None:
    engine = Engine(Settings())
    used = [await engine.script() for _ in range(READY + 2)]
    for each in used:
        engine.exchange(each, "u")
    await engine.compute(lambda: None)
    await engine.compute(lambda: None)  # after all that was asked before, in either thread

    ready = [await engine.script() for _ in range(2)]
    engine.close()

    assert not {id(each) for each in ready} & {id(each) for each in used}
    lines = ready[0].start(started({"f": "exports = () => 1"}))
    assert [line.text for line in lines if line.word == "result"] == ['{"$numberInt":"1"}']
