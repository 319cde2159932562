"""The unified tests of the CRUD specification, as the source of the locked PyMongo carries them."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.hosts import ROOT

_LOCKED = re.compile(r"^pymongo==.*?(?=^\S)", re.MULTILINE | re.DOTALL)


def fetched(place: Path) -> Path:
    """Return the folder of the tests, having fetched and unpacked the source below a place."""
    locked = _LOCKED.search((ROOT / "requirements.txt").read_text())
    assert locked
    wanted = place / "wanted.txt"
    wanted.write_text(locked[0])
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--no-binary", "pymongo", "--require-hashes", "--requirement", wanted, "--dest", place),
        ],
        check=True,
    )
    [archive] = place.glob("pymongo-*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(place, filter="data")
    return place / archive.name.removesuffix(".tar.gz") / "test" / "crud" / "unified"
