"""infra/*.bicep and azure.yaml, as far as they can be read without the Azure CLI: docs/deploying.md says how far."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra import bicep
from shared.settings import NAMES, Settings
from tests.hosts import ROOT

MODULES = ROOT / "infra/modules"
FUNCTIONS = (MODULES / "functions.bicep").read_text()
CONTAINER = (MODULES / "container.bicep").read_text()
PLATFORM = (MODULES / "platform.bicep").read_text()
EVERY_FILE = [pytest.param(path, id=path.name) for path in bicep.files()]
AZURES_OWN = re.compile(r"AzureWebJobs\w+|FUNCTIONS_\w+")


@cache
def parameters() -> dict[str, Any]:
    """Return the parameters of main.bicep with their decorators and defaults."""
    found: dict[str, Any] = bicep.parse(ROOT / "infra/main.bicep")["parameters"]
    return found


def decorators(name: str) -> dict[str, Any]:
    return {each["type"]: each.get("argument") for each in parameters()[name]["decorators"]}


@cache
def app_settings() -> dict[str, set[str]]:
    """Return the names of the settings that each host is given."""
    functions = bicep.parse(MODULES / "functions.bicep")["variables"]
    container = bicep.parse(MODULES / "container.bicep")["variables"]
    return {
        "functions": {*functions["settings"]["value"], *functions["sessionSettings"]["value"]},
        "container": {
            each["name"] for name in ("settings", "sessionSettings") for each in container[name]["value"] if each
        },
    }


@pytest.mark.parametrize("path", EVERY_FILE)
def test_a_file_can_be_read_and_its_modules_fit(path: Path) -> None:
    assert list(bicep.problems(path)) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(("params: {", "params {"), "Unexpected token", id="syntax"),
        pytest.param(("    token: token\n", ""), "platform needs the parameter token", id="missing parameter"),
        pytest.param(("mongoUri: mongoUri", "mongoUrl: mongoUri"), "platform has no parameter mongoUrl", id="unknown"),
        pytest.param(("outputs.vaultName", "outputs.vault"), "platform has no output vault", id="output"),
        pytest.param(("modules/platform.bicep", "modules/form.bicep"), "the module platform is not there", id="file"),
        pytest.param(("var tags =", "var unused = 1\nvar tags ="), "unused is declared and not used", id="unused"),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    (tmp_path / "modules").symlink_to(MODULES)
    broken = tmp_path / "main.bicep"
    text = (ROOT / "infra/main.bicep").read_text()
    assert change[0] in text
    broken.write_text(text.replace(*change))

    assert problem in "\n".join(bicep.problems(broken))


def test_the_check_ends_well() -> None:
    done = subprocess.run([sys.executable, "-m", "infra.bicep"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("host", ["functions", "container"])
def test_every_app_setting_exists(host: str) -> None:
    ours = {name for name in app_settings()[host] if not AZURES_OWN.fullmatch(name)}

    assert ours - NAMES == set()


def test_both_hosts_get_the_same_settings() -> None:
    ours = {host: {name for name in names if not AZURES_OWN.fullmatch(name)} for host, names in app_settings().items()}

    assert ours["container"] - ours["functions"] == {"LISTEN_PORT", "HEALTH_PORT"}  # Azure's host binds the port
    assert ours["functions"] <= ours["container"]


def test_the_host_lets_through_every_body_that_we_judge() -> None:
    limit = re.search(r"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '(\d+)'", FUNCTIONS)

    assert limit is not None
    assert int(limit[1]) >= Settings().max_body_bytes


def test_no_secret_is_a_plain_parameter() -> None:
    assert {name for name in parameters() if "secure" in decorators(name)} == {"mongoUri", "sessionSecret"}


def test_no_secret_leaves_a_deployment() -> None:
    outputs = "\n".join(re.findall(r"^output .+$", "\n".join(p.read_text() for p in bicep.files()), re.MULTILINE))

    assert outputs
    assert re.findall(r"secret|uri|listKeys|key", outputs, re.IGNORECASE) == []


@pytest.mark.parametrize("setting", ["MONGO_DB_URI", "SESSION_SECRET"])
def test_secrets_reach_the_function_app_as_references(setting: str) -> None:
    assert re.search(rf"{setting}: '@Microsoft\.KeyVault\(SecretUri=\$\{{vault\.properties\.vaultUri\}}", FUNCTIONS)


def test_no_host_is_told_a_secret() -> None:
    given = bicep.parse(ROOT / "infra/main.bicep")["modules"]

    assert {name for name, module in given.items() if re.search(r"'mongoUri'|'sessionSecret':", str(module))} == {
        "platform"
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(FUNCTIONS, "allowSharedKeyAccess: false", id="storage takes no keys"),
        pytest.param(FUNCTIONS, "allowBlobPublicAccess: false", id="storage shows nothing"),
        pytest.param(FUNCTIONS, "type: 'UserAssignedIdentity'", id="packages are read by the identity"),
        pytest.param(FUNCTIONS, "AzureWebJobsStorage__credential: 'managedidentity'", id="the host uses the identity"),
        pytest.param(FUNCTIONS, "httpsOnly: true", id="https only"),
        pytest.param(FUNCTIONS, "runtime: { name: 'python', version: '3.13' }", id="python 3.13"),
        pytest.param(FUNCTIONS, "triggers: { http: { perInstanceConcurrency: httpConcurrency } }", id="concurrency"),
        pytest.param(FUNCTIONS, "maximumInstanceCount: maximumInstanceCount", id="most instances"),
        pytest.param(FUNCTIONS, "'azd-service-name': 'api'", id="azd finds the app"),
        pytest.param(PLATFORM, "DisableLocalAuth: true", id="telemetry takes no keys"),
        pytest.param(PLATFORM, "WorkspaceResourceId: workspace.id", id="telemetry has a workspace"),
        pytest.param(PLATFORM, "enableRbacAuthorization: true", id="the vault knows roles only"),
        pytest.param(CONTAINER, "args: ['admin', '--help']", id="admin is a job of the same image"),
        pytest.param(CONTAINER, "maxReplicas: maximumInstanceCount", id="most replicas"),
    ],
)
def test_the_infrastructure_says(text: str, line: str) -> None:
    assert line in text


@pytest.mark.parametrize(
    ("budget", "pool", "instances"),
    [(1500, 16, 83), (500, 16, 40), (120, 1, 40), (3000, 16, 166), (100_000, 16, 1000)],
)
def test_the_most_instances_follow_from_the_connections_of_the_database(budget: int, pool: int, instances: int) -> None:
    formula = re.search(
        r"^param maximumInstanceCount int = (.+)$", (ROOT / "infra/main.bicep").read_text(), re.MULTILINE
    )
    assert formula is not None
    computed = formula[1].replace("/", "//")  # whole numbers divide to whole numbers in Bicep

    names = {"min": min, "max": max, "mongoMaxConnections": budget, "connectionsPerProcess": pool}

    assert eval(computed, {"__builtins__": {}}, names) == instances  # noqa: S307  our own file
    assert budget // instances - 2 >= 1  # what a process has beside the two connections that watch


def test_the_service_divides_the_same_budget() -> None:
    assert "EXPECTED_PROCESSES: string(maximumInstanceCount)" in FUNCTIONS
    assert "MONGO_DB_MAX_CONNECTIONS: string(mongoMaxConnections)" in FUNCTIONS


def test_instances_that_are_wanted_stay_within_what_the_platform_takes() -> None:
    assert decorators("maximumInstanceCount") | {"description": ""} == {
        "description": "",
        "min_value": 40,
        "max_value": 1000,
    }
    assert decorators("mongoMaxConnections")["min_value"] == 40 * 3


@pytest.mark.parametrize("name", ["environmentName", "location", "mongoUri", "sessionSecret"])
def test_the_parameters_file_gives(name: str) -> None:
    given = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]

    assert name in parameters()
    assert re.fullmatch(r"\$\{[A-Z_]+\}", given[name]["value"])


def test_the_parameters_file_names_only_parameters_that_exist() -> None:
    given = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
    required = {name for name, details in parameters().items() if details.get("default") is None}

    assert required <= given.keys() <= parameters().keys()


def azure_yaml() -> dict[str, Any]:
    described: dict[str, Any] = YAML(typ="safe").load(ROOT / "azure.yaml")
    return described


def test_azd_knows_the_service_and_where_its_infrastructure_is() -> None:
    described = azure_yaml()
    service = described["services"]["api"]

    assert described["infra"] == {"provider": "bicep", "path": "infra", "module": "main"}
    assert {name: service[name] for name in ("project", "language", "host")} == {
        "project": ".",
        "language": "python",
        "host": "function",
    }


def test_azd_has_azure_build_nothing() -> None:
    described = azure_yaml()

    assert described["services"]["api"]["remoteBuild"] is False  # azd has it built there unless it is told
    assert described["requiredVersions"] == {"azd": ">= 1.23.6"}  # an older one passes over remoteBuild


def test_azd_deploys_the_package_of_make_package() -> None:
    service = azure_yaml()["services"]["api"]
    run = service["hooks"]["prepackage"]["run"].split()

    planned = subprocess.run(
        [*run, "--dry-run", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    built, unpacked = (
        next(number for number, line in enumerate(planned) if command in line)
        for command in ("-m infra.package", f"-m zipfile -e dist/dozen.zip {service['dist']}")
    )
    assert built < unpacked
