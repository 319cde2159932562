"""The table of docs/twelve-factors.md: each of its commands is run by the tests or by the pipeline."""

import os
import re
import subprocess
import sys

import pytest

from tests.hosts import ROOT
from tests.test_docs import rows

FACTORS = [
    *("Codebase", "Dependencies", "Config", "Backing services", "Build, release, run", "Processes", "Port binding"),
    *("Concurrency", "Disposability", "Dev/prod parity", "Logs", "Admin processes"),
]
TABLE = rows("docs/twelve-factors.md", "| factor | how Dozen meets it | the command that shows it |")
COMMANDS = {factor: re.split(r", (?=pytest |make )", commands) for factor, _, commands in TABLE}
EVERY_COMMAND = [command for commands in COMMANDS.values() for command in commands]
RUN_BY_THE_PIPELINE = set(re.findall(r"- script: (make [a-z-]+)", (ROOT / "azure-pipelines.yml").read_text()))


def test_every_factor_has_its_row() -> None:
    assert list(COMMANDS) == [f"{number}. {factor}" for number, factor in enumerate(FACTORS, 1)]


@pytest.mark.parametrize(("factor", "commands"), COMMANDS.items())
def test_every_row_has_a_command_and_says_how(factor: str, commands: list[str]) -> None:
    sentence = next(how for name, how, _ in TABLE if name == factor)

    assert len(sentence.split()) > 5
    assert [command for command in commands if not command.startswith(("make ", "pytest tests/"))] == []


@pytest.mark.parametrize("command", [command for command in EVERY_COMMAND if command.startswith("make ")])
def test_a_target_is_run_by_the_pipeline(command: str) -> None:
    assert command in RUN_BY_THE_PIPELINE


def test_every_test_that_is_named_is_one_that_make_test_runs() -> None:
    named = [command.removeprefix("pytest ") for command in EVERY_COMMAND if command.startswith("pytest ")]

    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-cov", "-p", "no:cacheprovider", *named],
        cwd=ROOT,
        env=os.environ | {"DEPTH": "full"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert collected.returncode == 0, collected.stdout
    assert [name for name in named if name not in collected.stdout] == []
