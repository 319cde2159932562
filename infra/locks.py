"""Cuts locks to what is asked for, and installs what they lock, with its hashes."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ENTRY = re.compile(r"^(?=[a-z0-9])", re.MULTILINE)
_ASKER = re.compile(r"^ +#(?: via)? +(?!via)(\S.*)$", re.MULTILINE)


def run_python(*arguments: str, folder: Path) -> str:
    """Run this Python in a folder and return what it prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603  our own


def without(lock: str, unused: frozenset[str]) -> str:
    """Return a lock without the packages named, and without those that nothing else asks for."""
    entries = _ENTRY.split(lock)
    asked_by = {_name(entry): set(_ASKER.findall(entry)) for entry in entries}
    gone = set(unused)
    while more := {name for name, askers in asked_by.items() if askers and askers <= gone} - gone:
        gone |= more
    return "".join(entry for entry in entries if _name(entry) not in gone)


def only(lock: str, used: frozenset[str]) -> str:
    """Return the entries of a lock that are named, without what they ask for."""
    return "".join(entry for entry in _ENTRY.split(lock) if _name(entry) in used)


def _name(entry: str) -> str:
    return entry.partition("==")[0]


def install(target: Path, lock: str, platforms: Sequence[str] = ()) -> None:
    """Install the locked wheels for the platforms, or else for this machine."""
    target.mkdir(parents=True)
    requirements = target / "requirements.txt"
    requirements.write_text(lock)
    install_into(
        target,
        platforms,
        "--require-hashes",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--requirement",
        str(requirements),
    )
    requirements.unlink()


def install_into(target: Path, platforms: Sequence[str], *what: str) -> None:
    """Have pip install something; for platforms that are not this machine's, as CPython 3.13 there needs it."""
    foreign = ("--implementation", "cp", "--python-version", "3.13", *(f"--platform={each}" for each in platforms))
    run_python(
        *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"),
        *("--root-user-action=ignore", "--target", str(target), *what),
        *(foreign if platforms else ()),
        folder=target.parent,
    )
