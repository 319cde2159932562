"""Facts that stand in two files of the repository and must stay equal."""

import json
import re
import subprocess
import tomllib
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.release import SHIPPED
from shared import settings

ROOT = Path(__file__).resolve().parent.parent
LOAD_BALANCER_GIVES_UP = timedelta(seconds=230)


def read_json(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / name).read_text())
    return content


def lines(name: str) -> set[str]:
    stripped = (line.strip() for line in (ROOT / name).read_text().splitlines())
    return {line for line in stripped if line and not line.startswith("#")}


def pinned(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ]+)", (ROOT / lock).read_text(), re.MULTILINE))


def required(name: str) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in lines(name) if not line.startswith("-")}


def written() -> list[str]:
    """Name what we write ourselves and git keeps, but for tests, and pages that tell history or give examples."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    names = [name for name in listed.stdout.decode().split() if (ROOT / name).is_file()]
    return [name for name in names if not name.startswith(("requirements", "tests/", "docs/", "CHANGELOG"))]


def at_the_top() -> set[str]:
    """Name what stands in the repository's folder and is not git's or kept out of git."""
    private = {line.rstrip("/") for line in lines(".gitignore")} | {".git"}
    return {path.name for path in ROOT.iterdir() if not any(fnmatch(path.name, pattern) for pattern in private)}


def test_the_host_adds_no_prefix_to_routes() -> None:
    assert read_json("host.json")["extensions"]["http"]["routePrefix"] == ""


def test_a_function_ends_before_the_load_balancer_gives_up() -> None:
    hours, minutes, seconds = map(int, read_json("host.json")["functionTimeout"].split(":"))

    assert timedelta(hours=hours, minutes=minutes, seconds=seconds) < LOAD_BALANCER_GIVES_UP


def test_the_database_gives_up_before_the_function_does() -> None:
    hours, minutes, seconds = map(int, read_json("host.json")["functionTimeout"].split(":"))

    assert settings.Settings().mongo_db_timeout_ms / 1000 < hours * 3600 + minutes * 60 + seconds


def test_every_request_and_exception_reaches_the_telemetry() -> None:
    sampling = read_json("host.json")["logging"]["applicationInsights"]["samplingSettings"]

    assert set(sampling["excludedTypes"].split(";")) == {"Request", "Exception"}


def test_the_example_settings_are_flat_strings() -> None:
    values = read_json("local.settings.json.example")["Values"]

    assert {type(value) for value in values.values()} == {str}


def test_the_example_names_only_settings_that_exist() -> None:
    names = {field.encode_name for field in msgspec.structs.fields(settings.Settings)}
    values = read_json("local.settings.json.example")["Values"]

    assert {name for name in values if not name.startswith(("FUNCTIONS_", "AzureWebJobs"))} <= names


def test_the_example_is_usable_as_it_is() -> None:
    example = read_json("local.settings.json.example")

    assert settings.Settings.from_environ(example["Values"]).listen_port == example["Host"]["LocalHttpPort"]


def test_the_host_lets_through_every_body_that_we_judge() -> None:
    limit = int(read_json("local.settings.json.example")["Values"]["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"])

    assert limit >= settings.Settings().max_body_bytes


def test_the_version_is_stated_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = re.compile(rf"""["'v:]{re.escape(settings.VERSION)}\b""")

    assert "version" in project["dynamic"]
    assert [path for path in written() if stated.search((ROOT / path).read_text())] == ["shared/settings.py"]


def test_make_passes_settings_on_and_has_no_variable_of_their_names() -> None:
    own = re.findall(r"^(?:\S+: )?(?:export )?(\w+) *[:?]?= ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert "READY" in own
    assert set(own) & settings.NAMES == set()


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-run.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_with_hashes(lock: str) -> None:
    requirements = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())

    assert [
        r for r in requirements if not re.match(r"[a-z0-9._-]+==\S+ .*?--hash=sha256:[0-9a-f]{64}", r, re.DOTALL)
    ] == []


@pytest.mark.parametrize("name", ["requirements", "requirements-run", "requirements-dev"])
def test_every_requirement_has_its_pin(name: str) -> None:
    assert required(f"{name}.in") <= pinned(f"{name}.txt").keys()


def test_the_tests_run_with_the_versions_that_serve() -> None:
    served, run, tested = map(pinned, ("requirements.txt", "requirements-run.txt", "requirements-dev.txt"))

    assert served.items() <= run.items() <= tested.items()


def test_the_development_requirements_contain_the_others() -> None:
    assert "-r requirements.in" in lines("requirements-run.in")
    assert "-r requirements-run.in" in lines("requirements-dev.in")


@pytest.mark.parametrize("tool", ["pytest", "mypy", "ruff", "uv", "hypothesis", "azure-functions-runtime"])
def test_make_run_installs_no_tool_of_tests_and_checks(tool: str) -> None:
    assert tool in pinned("requirements-dev.txt")
    assert tool not in pinned("requirements-run.txt")


@pytest.mark.parametrize("target", ["run", "func"])
def test_what_serves_here_installs_only_what_it_needs_to_run(target: str) -> None:
    made = subprocess.run(["make", "--dry-run", "--always-make", target], cwd=ROOT, check=True, capture_output=True)

    assert b"-r requirements-run.txt" in made.stdout
    assert b"-r requirements-dev.txt" not in made.stdout


def test_both_ways_to_deploy_ship_the_same_files() -> None:
    ignored = lines(".funcignore")

    assert {name for name in at_the_top() if not any(fnmatch(f"/{name}", line) for line in ignored)} == set(SHIPPED)


@pytest.mark.parametrize("name", ["tests", "docs", ".venv", "local.settings.json", ".env"])
def test_a_deployment_leaves_out(name: str) -> None:
    assert f"/{name}" in lines(".funcignore")


@pytest.mark.parametrize("name", ["local.settings.json", ".env", ".data/"])
def test_git_never_sees(name: str) -> None:
    assert name in lines(".gitignore")
