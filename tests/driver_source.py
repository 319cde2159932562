"""The source of the installed PyMongo, which carries what all drivers of MongoDB are tested with."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pymongo

from infra import locks
from tests.hosts import ROOT

_FOLDER = ROOT / ".data" / "corpus"


def opened() -> tarfile.TarFile:
    """Return the archive, downloaded once, by the worker that asks first; its hash is the one that is locked."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    archive = _FOLDER / f"pymongo-{pymongo.version}.tar.gz"
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _download(archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert f"--hash=sha256:{digest}" in (ROOT / "requirements.txt").read_text()
    return tarfile.open(archive)


def _download(archive: Path) -> None:
    with TemporaryDirectory(dir=_FOLDER) as coming:  # what is interrupted leaves no half of it
        wanted = Path(coming) / "wanted.txt"
        wanted.write_text(locks.only((ROOT / "requirements.txt").read_text(), frozenset({"pymongo"})))
        command = ["pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary=pymongo"]
        subprocess.run(
            [sys.executable, "-m", *command, "--require-hashes", f"--requirement={wanted}", f"--dest={coming}"],
            env=os.environ | {"NO_EXT": "1"},  # to know what it asks for, pip builds it: without what is compiled
            check=True,
        )
        (Path(coming) / archive.name).replace(archive)
