"""Reads infra/*.bicep as far as that goes without the Azure CLI: `python -m infra.bicep` prints what is wrong in them.

Found are errors of syntax, modules whose parameters or outputs do not fit, and names that are declared and not used.
Unknown properties, wrong types and undefined names are not: `make check-bicep` finds those, with the Azure CLI.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lark.exceptions import LarkError
from pycep import BicepParser

FOLDER = Path(__file__).resolve().parent

Parsed = dict[str, Any]


class BicepError(Exception):
    """A file cannot be read; the text says where."""


def files() -> list[Path]:
    """Return every Bicep file of the repository."""
    return sorted(FOLDER.rglob("*.bicep"))


def parse(path: Path) -> Parsed:
    """Return parameters, variables, resources, modules and outputs by their names."""
    try:
        return dict(BicepParser().parse(file_path=path))
    except LarkError as error:
        first, *_ = str(error).splitlines()
        raise BicepError(f"{path.name}: {first}") from error


def problems(path: Path) -> Iterator[str]:
    """Yield a sentence for everything that is wrong in a file."""
    try:
        yield from _mistakes(path, parse(path))
    except BicepError as error:
        yield str(error)


def _mistakes(path: Path, parsed: Parsed) -> Iterator[str]:
    text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
    for kind in ("parameters", "variables"):
        for name in parsed.get(kind, {}):
            if len(re.findall(rf"\b{name}\b", text)) < 2:
                yield f"{path.name}: {name} is declared and not used"
    for name, module in parsed.get("modules", {}).items():
        yield from (f"{path.name}: {problem}" for problem in _misfits(name, module, path, text))


def _misfits(name: str, module: Parsed, path: Path, text: str) -> Iterator[str]:
    target = path.parent / module["detail"]["path"]
    if not target.is_file():
        yield f"the module {name} is not there"
        return
    called = parse(target)
    config = module["config"]
    passed = set(config.get("config", config)["params"])
    declared = called.get("parameters", {})
    required = {each for each, details in declared.items() if details.get("default") is None}
    yield from (f"{name} has no parameter {each}" for each in sorted(passed - declared.keys()))
    yield from (f"{name} needs the parameter {each}" for each in sorted(required - passed))
    for output in sorted(set(re.findall(rf"\b{name}\.outputs\.(\w+)", text)) - called.get("outputs", {}).keys()):
        yield f"{name} has no output {output}"


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    found = [problem for path in files() for problem in problems(path)]
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    sys.stdout.write(f"Bicep files read: {len(files())}, problems: {len(found)}\n")
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
