"""What `make sbom` says a release is made of."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.settings import VERSION
from tests.hosts import ROOT

pytestmark = pytest.mark.full  # it makes the bill of all packages

NEEDED = (
    ".venv",
    "Makefile",
    "pyproject.toml",
    "shared",
    *(f"requirements{each}.txt" for each in ("", "-run", "-dev")),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bill that `make sbom` writes, here beside the repository: its dist/ may be in use."""
    folder = tmp_path_factory.mktemp("sbom")
    for name in NEEDED:
        (folder / name).symlink_to(ROOT / name)
    make_in(folder)
    return folder / "dist/sbom.json"


@pytest.fixture(scope="module")
def sbom(written: Path) -> dict[str, Any]:
    """What stands in it."""
    read: dict[str, Any] = json.loads(written.read_text())
    return read


def make_in(folder: Path) -> None:
    subprocess.run(["make", "sbom"], cwd=folder, check=True, capture_output=True)


def test_it_is_cyclonedx_and_names_this_release(sbom: dict[str, Any]) -> None:
    component = sbom["metadata"]["component"]

    assert sbom["bomFormat"] == "CycloneDX"
    assert (component["name"], component["version"]) == ("dozen", VERSION)


def test_it_lists_every_locked_package_with_its_version_and_hashes(sbom: dict[str, Any]) -> None:
    locked = dict(
        re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    listed = {component["name"]: component for component in sbom["components"]}

    assert {name: component["version"] for name, component in listed.items()} == locked
    assert [name for name, each in listed.items() if not each["externalReferences"][0]["hashes"]] == []


def test_the_same_lock_gives_the_same_bill(written: Path) -> None:
    before = written.read_bytes()

    make_in(written.parents[1])

    assert written.read_bytes() == before
