"""What `make sbom` says a release is made of."""

import json
import re
import subprocess
from typing import Any

import pytest

from shared.settings import VERSION
from tests.hosts import ROOT


@pytest.fixture(scope="module")
def sbom() -> dict[str, Any]:
    """The bill that `make sbom` writes; dist/ is where it always is."""
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True)
    written: dict[str, Any] = json.loads((ROOT / "dist/sbom.json").read_text())
    return written


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


def test_the_same_lock_gives_the_same_bill(sbom: dict[str, Any]) -> None:
    again = ROOT / "dist/sbom.json"
    before = again.read_bytes()

    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True)

    assert again.read_bytes() == before
