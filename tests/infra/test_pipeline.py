"""What the schema of azure-pipelines.yml cannot hold: order, guards, one artifact, no secret, no logic."""

import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.hosts import ROOT

TEXT = (ROOT / "azure-pipelines.yml").read_text()
PIPELINE: dict[str, Any] = YAML(typ="safe").load(TEXT)
STAGES: dict[str, dict[str, Any]] = {stage["stage"]: stage for stage in PIPELINE["stages"]}
ON_MAIN = "eq(variables['Build.SourceBranch'], 'refs/heads/main')"
ON_A_TAG = "startsWith(variables['Build.SourceBranch'], 'refs/tags/v')"
GUARDED = {
    "DeployDev": ON_MAIN,
    "SmokeDev": ON_MAIN,
    "DeployProd": ON_MAIN,
    "SmokeProd": ON_MAIN,
    "Admin": ON_MAIN,
    "Image": ON_A_TAG,
}
CONNECTIONS = {"connectedServiceNameARM": {"dozen-azure"}, "containerRegistry": {"dozen-acr", "dozen-hub"}}


def steps(stage: str) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a stage, in their order."""
    found: list[dict[str, Any]] = []
    for job in STAGES[stage]["jobs"]:
        found += job["steps"] if "job" in job else job["strategy"]["runOnce"]["deploy"]["steps"]
    return found


def every_step() -> list[dict[str, Any]]:
    return [step for stage in STAGES for step in steps(stage)]


def scripts(stage: str) -> list[str]:
    return [step["script"] for step in steps(stage) if "script" in step]


def environments(node: Any) -> Iterator[tuple[str, str]]:
    """Yield every environment variable that a step is given."""
    if isinstance(node, dict):
        yield from ((name, str(value)) for name, value in dict(node.get("env") or {}).items())
        for child in node.values():
            yield from environments(child)
    elif isinstance(node, list):
        for child in node:
            yield from environments(child)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_stages_follow_each_other() -> None:
    order = {name: stage.get("dependsOn") for name, stage in STAGES.items()}

    assert order == {
        "Check": None,
        "Test": "Check",
        "Torture": "Check",
        "Package": ["Test", "Torture"],
        "DeployDev": "Package",
        "SmokeDev": "DeployDev",
        "DeployProd": "SmokeDev",
        "SmokeProd": "DeployProd",
        "Admin": "SmokeProd",
        "Image": "Package",
    }


@pytest.mark.parametrize(("stage", "guard"), GUARDED.items())
def test_what_leaves_the_pipeline_is_guarded_by_the_branch(stage: str, guard: str) -> None:
    condition = STAGES[stage]["condition"]

    assert condition.startswith(f"and(succeeded(), {guard}")


def test_nothing_but_the_guarded_stages_uses_a_connection_or_an_environment() -> None:
    outside = {
        name
        for name, stage in STAGES.items()
        if re.search(r"environment'|connectedServiceName|containerRegistry|azureSubscription", str(stage))
    }

    assert outside <= GUARDED.keys()


def test_production_waits_for_the_approval_of_its_environment() -> None:
    deployments = {name: stage["jobs"][0].get("environment") for name, stage in STAGES.items() if name in GUARDED}

    assert {name: where for name, where in deployments.items() if where} == {
        "DeployDev": "dozen-dev",
        "DeployProd": "dozen-prod",
    }


def test_production_gets_the_very_artifact_that_dev_had() -> None:
    published = {step["artifact"] for step in steps("Package") if "publish" in step}
    deployed = [step["inputs"]["package"] for name in ("DeployDev", "DeployProd") for step in steps(name)]

    assert published == {"drop"}
    assert deployed == ["$(Pipeline.Workspace)/drop/dozen.zip"] * 2


def test_both_deployments_differ_in_the_name_of_the_app_only() -> None:
    dev, prod = (str(steps(name)) for name in ("DeployDev", "DeployProd"))

    assert dev.replace("functionAppDev", "functionAppProd") == prod


def test_every_task_is_pinned_to_a_major_version() -> None:
    tasks = [step["task"] for step in every_step() if "task" in step]

    assert tasks
    assert [task for task in tasks if not re.fullmatch(r"[A-Za-z]+@\d+", task)] == []


def test_every_script_is_one_target_of_make() -> None:
    lines = [step["script"] for step in every_step() if "script" in step]

    assert [line for line in lines if "\n" in line.strip() or not line.startswith("make ")] == []
    assert {line.split()[1] for line in lines} <= targets()


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("Check", ["make check", "make check-bicep", "make check-tag TAG=$(Build.SourceBranchName)"]),
        ("Test", ["make test DEPTH=full", "make test-mongo MONGO=$(mongo) DEPTH=full"]),
        ("Torture", ["make haproxy", "make torture"]),
        ("Package", ["make package-twice", "make check-package", "make sbom", "make audit"]),
        (
            "Image",
            ["make image", "make image-smoke", "make image-scan", 'make image-push REGISTRIES="$(registries)"'],
        ),
    ],
)
def test_a_stage_does(stage: str, expected: list[str]) -> None:
    assert scripts(stage) == expected


def test_the_package_is_built_where_the_images_are() -> None:
    (job,) = STAGES["Package"]["jobs"]
    builder = re.search(r"^ARG BUILDER=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert builder is not None

    assert job["container"] == builder[1]
    assert [step for step in job["steps"] if "task" in step] == []  # an agent's own Python needs the agent's glibc


def test_the_tests_run_on_both_versions_of_mongodb() -> None:
    _, matrix = STAGES["Test"]["jobs"]

    assert {each["mongo"] for each in matrix["strategy"]["matrix"].values()} == {"7", "8"}


def test_an_image_is_tried_and_scanned_before_anybody_logs_in() -> None:
    done = [step.get("script", step.get("task", "")).split(" REG")[0] for step in steps("Image")]

    assert done[1:] == ["make image", "make image-smoke", "make image-scan", "Docker@2", "Docker@2", "make image-push"]


def test_connections_are_named_and_hold_the_secrets_themselves() -> None:
    used = {
        name: {step["inputs"][name] for step in every_step() if name in step.get("inputs", {})} for name in CONNECTIONS
    }

    assert used == CONNECTIONS


def test_no_value_in_the_file_is_a_secret() -> None:
    names = r"(password|passwd|secret|token|accountkey|sharedaccess|apikey|clientsecret)"

    assert re.findall(rf"{names}\w*\s*[:=]\s*\S", TEXT, re.IGNORECASE) == []
    assert re.findall(r"mongodb(\+srv)?://", TEXT) == []
    assert re.findall(r"[A-Za-z0-9+/]{40,}", TEXT) == []


def test_what_a_script_is_given_is_a_variable_or_an_option_of_pytest() -> None:
    given = dict(environments(PIPELINE))

    assert given == {"PYTEST_ADDOPTS": "--junitxml=junit.xml", "MONGO_DB_URI": "$(mongoUri)"}


def test_agents_are_named_with_their_version() -> None:
    assert PIPELINE["pool"] == {"vmImage": "ubuntu-24.04"}
    assert "latest" not in TEXT


def test_no_job_runs_for_ever() -> None:
    limits = {
        job.get("job", job.get("deployment")): job.get("timeoutInMinutes")
        for stage in STAGES.values()
        for job in stage["jobs"]
    }

    assert {name for name, limit in limits.items() if not limit} == set()


def test_a_pull_request_deploys_nothing() -> None:
    assert PIPELINE["pr"] == ["main"]  # its branch is refs/pull/…, which no guard lets through
    assert PIPELINE["trigger"]["tags"]["include"] == ["v*"]


def admin_script(workspace: Path, command: str) -> str:
    """Return what the stage Admin runs, as the pipeline fills it in."""
    (script,) = scripts("Admin")
    return script.replace("$(Pipeline.Workspace)", str(workspace)).replace("${{ parameters.admin }}", command)


def test_the_admin_process_is_one_of_the_artifact(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    with zipfile.ZipFile(tmp_path / "drop/dozen.zip", "w") as package:
        package.writestr("admin/__main__.py", "import sys; print(sys.argv[1:])")

    script = admin_script(tmp_path, "keys create --name 'a job'")
    # make, which may run the tests, tells one beneath it so
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["sh", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "['keys', 'create', '--name', 'a job']\n"), done.stderr
