"""The tests on a MongoDB that is given to them: how the pipeline runs them on other versions."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from local.mongod import Mongod
from tests.hosts import ROOT

ONE_TEST = "tests/functions/test_insert.py"


def pytest_on(uri: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--no-cov", "-p", "no:cacheprovider", *arguments]
    env = os.environ | {"TEST_MONGO_DB_URI": uri, "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_the_tests_run_on_the_mongodb_that_is_given(tmp_path: Path) -> None:
    with Mongod(tmp_path, extra_args=["--setParameter", "enableTestCommands=1"]) as given:
        done = pytest_on(given.uri, ONE_TEST, "-k", "insertOne or insert_one")
        with MongoClient[dict[str, Any]](given.uri) as client:
            used = client.list_database_names()

    assert done.returncode == 0, done.stdout
    assert "dozen" in used


def test_a_mongodb_that_holds_data_is_left_alone(mongod: Mongod, key: str) -> None:
    done = pytest_on(mongod.uri, ONE_TEST)

    assert done.returncode == 2
    assert "TEST_MONGO_DB_URI is no empty MongoDB: it holds" in done.stdout + done.stderr
