"""What a quick run leaves out."""

import os
import re
import subprocess
import sys

import pytest
from hypothesis import settings

from tests.hosts import ROOT

FILES = ("tests/functions/test_find.py", "tests/functions/test_options.py", "tests/functions/rules/test_sessions.py")


def collected(depth: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "not full and not both_hosts", *FILES]
    found = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"DEPTH": depth}, capture_output=True, text=True, check=True
    )
    return re.findall(r"^tests/.*::.*$", found.stdout, re.MULTILINE)


@pytest.mark.full
def test_a_quick_run_sends_each_case_to_one_host() -> None:
    def case(node: str) -> str:
        return re.sub(r"\b(worker|server)\b", "", node)

    quick = sorted(map(case, collected("quick")))

    assert quick == sorted({*map(case, collected("full"))})
    assert len(quick) > 300


def test_no_example_has_to_be_quick() -> None:
    assert settings().deadline is None
