"""The Dockerfile, what it is given, and compose.yaml; `make image-test` builds and starts both images."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra import release
from shared import settings
from shared.triggers import runner
from tests.hosts import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
SCRIPTS = sorted([*ROOT.glob("infra/*.sh"), *ROOT.glob("tests/*.sh"), ROOT / ".ci/run"])


def stage(name: str) -> str:
    """Return the instructions of a stage, with continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    body = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", joined, re.MULTILINE | re.DOTALL)
    assert body is not None
    return body[1]


def allowed() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return {line.removeprefix("!") for line in lines if line.startswith("!")} - {"infra"}


@pytest.mark.parametrize("image", ["server", "functions"])
@pytest.mark.parametrize(
    "instruction",
    [
        "USER 10001:10001",
        "EXPOSE 7071",
        'CMD ["serve"]',
        "HEALTHCHECK --interval=",
        'CMD ["python", "-c", "import os, urllib.request;',
        'org.opencontainers.image.version="${VERSION}"',
        'org.opencontainers.image.revision="${REVISION}"',
    ],
)
def test_both_images_say(image: str, instruction: str) -> None:
    assert instruction in stage(image)


@pytest.mark.parametrize("image", ["server", "functions"])
def test_the_port_of_an_image_is_the_default_of_the_setting(image: str) -> None:
    assert f"LISTEN_PORT={settings.Settings().listen_port}" in stage(image)


def test_commands_are_in_the_form_that_passes_signals_on() -> None:
    commands = re.findall(r"^(?:ENTRYPOINT|CMD) (.)", DOCKERFILE, re.MULTILINE)

    assert len(commands) == 4
    assert set(commands) == {"["}


def test_every_base_is_an_argument_with_an_exact_tag() -> None:
    bases = dict(re.findall(r"^ARG (BUILDER|PYTHON|FUNCTIONS)=(\S+)$", DOCKERFILE, re.MULTILINE))

    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {
        *(f"${{{name}}}" for name in bases), "release", "scratch",
    }  # fmt: skip
    assert bases["PYTHON"] == bases["BUILDER"].replace("-bookworm", "-slim-bookworm")
    assert [base for base in bases.values() if base.endswith("latest") or ":" not in base] == []


def test_the_bases_have_the_python_of_the_project() -> None:
    python = (ROOT / ".python-version").read_text().strip()

    assert re.findall(r"python:(?:4-python)?(\d\.\d+)", DOCKERFILE.partition("\n\n")[0]) == [python] * 3


def test_the_build_is_given_what_a_release_is_made_of_and_nothing_else() -> None:
    builds = {f"infra/{name}" for name in ("__init__.py", "entrypoint.sh", "locks.py", "native.py", "release.py")}

    assert allowed() == {*release.SHIPPED, *release.SERVED, *builds, "native", "requirements-run.txt"}


@pytest.mark.parametrize(
    ("built", "command"),
    [("python", "infra.release compile /app"), ("functions", "infra.release load /home/site/wwwroot")],
)
def test_an_image_is_not_built_unless_it_loads_what_the_builder_compiled(built: str, command: str) -> None:
    assert re.search(rf"^RUN PYTHONPATH=/build python (-B )?-m {command} +&&", stage(built), re.MULTILINE)


def test_the_image_sees_only_what_is_named() -> None:
    first, *_ = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]

    assert first == "*"


def test_nothing_secret_is_built_in() -> None:
    given = re.findall(r"^(?:ARG|ENV) +(\w+)", DOCKERFILE, re.MULTILINE)

    assert [name for name in given if re.search(r"PASS|SECRET$|KEY|TOKEN|URI", name)] == []


def test_the_functions_image_takes_every_body_that_we_judge() -> None:
    limit = re.search(r"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=(\d+)", stage("functions"))

    assert limit is not None
    assert int(limit[1]) >= settings.Settings().max_body_bytes


@pytest.mark.parametrize("script", [pytest.param(path, id=path.name) for path in SCRIPTS])
def test_a_script_can_be_read_and_run(script: Path) -> None:
    shell = script.read_text().splitlines()[0].removeprefix("#!").split()
    checked = subprocess.run([*shell, "-n", str(script)], capture_output=True, text=True, check=False)

    assert checked.stderr == ""
    assert script.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["echo", "anything"], ["anything"], id="another program"),
        pytest.param(["sh", "-c", "echo $PPID"], None, id="in place of the script"),
    ],
)
def test_the_entrypoint_becomes_what_it_is_told(arguments: list[str], words: list[str] | None) -> None:
    with subprocess.Popen(
        [str(ROOT / "infra/entrypoint.sh"), *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        said, _ = process.communicate(timeout=60)

    assert said.split() == (words or [str(os.getpid())])


def test_the_entrypoint_runs_admin_commands_of_the_program_on_the_path() -> None:
    done = subprocess.run(
        [str(ROOT / "infra/entrypoint.sh"), "admin", "--version"],
        env={"PATH": f"{ROOT}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, f"{settings.VERSION}\n")


@pytest.mark.parametrize(("built", "app"), [("python", "/app"), ("functions", "/home/site/wwwroot")])
def test_the_program_is_on_the_path_of_an_image(built: str, app: str) -> None:
    assert f"ln -s {app}/{release.PROGRAM} /usr/local/bin/{release.PROGRAM}" in stage(built)


def test_pushing_nowhere_is_refused() -> None:
    done = subprocess.run([str(ROOT / "infra/image.sh"), "push", "1.2.3"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "push needs registries" in done.stderr


@pytest.mark.parametrize("service", ["api", "triggers", "admin", "sample"])
def test_compose_runs_the_image_of_this_repository(service: str) -> None:
    described = COMPOSE["services"][service]

    assert described["build"] == {"context": ".", "target": "server"}
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]


def test_compose_serves_on_the_port_of_the_settings() -> None:
    api = COMPOSE["services"]["api"]

    assert api["environment"]["LISTEN_PORT"] == "7071"
    assert api["ports"] == ["127.0.0.1:${LISTEN_PORT:-7071}:7071"]


def test_compose_has_the_explorer_on_this_machine_alone() -> None:
    api = COMPOSE["services"]["api"]

    assert api["environment"]["EXPLORER"] == "${EXPLORER:-on}"
    assert [port.split(":")[0] for port in api["ports"]] == ["127.0.0.1"]


def test_compose_waits_as_long_as_a_call_may_take() -> None:
    grace = int(COMPOSE["services"]["api"]["stop_grace_period"].removesuffix("s"))

    assert grace > settings.Settings().mongo_db_timeout_ms / 1000 + 2


def test_compose_waits_as_long_as_the_function_of_a_trigger_may_take() -> None:
    grace = int(COMPOSE["services"]["triggers"]["stop_grace_period"].removesuffix("s"))

    assert grace > runner.GRACE_SECONDS + settings.Settings().mongo_db_timeout_ms / 1000
