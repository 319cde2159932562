"""What Azure's Linux has that compiled code may ask for: its images for Python 3.13 are Debian 12, with glibc 2.36.

`python -m infra.azure_linux dist/dozen.zip` sees that a package holds native/, and that it loads there.
"""

import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from infra import native

GLIBC = (2, 36)
PLATFORM = f"manylinux_{GLIBC[0]}_{GLIBC[1]}_x86_64"
SUFFIX = ".cpython-313-x86_64-linux-gnu.so"

_LIBRARIES = frozenset({"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "ld-linux-x86-64.so.2"})
_NEWEST = {"GLIBC": GLIBC, "GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13), "GCC": (12, 0, 0)}


def wheel(folder: Path) -> Path:
    """Build native/ so that it loads there, where this machine can."""
    here = sysconfig.get_platform()
    if here != "linux-x86_64":
        raise native.NotBuiltError(f"what is compiled here is for {here}")
    built = native.wheel(folder, PLATFORM)
    if unmet := beyond(built):
        raise native.NotBuiltError(f"compiled here, it needs {', '.join(unmet)}, which Azure's Linux does not have")
    return built


def main() -> None:
    """Exit with what is wrong with a package's native code."""
    package = Path(sys.argv[1])
    with zipfile.ZipFile(package) as archive:
        absent = [name for name in native.modules() if not _held(archive, name)]
    if absent:
        sys.exit(f"{package.name} is without {', '.join(absent)} of native/")
    if unmet := beyond(package):
        sys.exit(f"native/ in {package.name} needs what Azure's Linux does not have: {', '.join(unmet)}")


def _held(archive: zipfile.ZipFile, module: str) -> list[str]:
    """Return where a package or wheel holds a module that is compiled for Azure's Linux."""
    return [name for name in archive.namelist() if name.endswith(module.replace(".", "/") + SUFFIX)]


def beyond(archive: Path) -> list[str]:
    """Name what the modules of native/ in a package or wheel need that Azure's Linux does not have."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive) as content:
        files = [content.extract(name, folder) for module in native.modules() for name in _held(content, module)]
        return missing_from(_dynamic_section(files))


def _dynamic_section(files: Iterable[str]) -> str:
    command = ["env", "LC_ALL=C", "readelf", "--wide", "--dynamic", "--version-info", *files]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603  our own


def missing_from(section: str) -> list[str]:
    """Name the libraries, folders to search for them, and versions in it that Azure's Linux does not have."""
    libraries = set(re.findall(r"\((?:NEEDED|RPATH|RUNPATH)\).*\[(.*)\]", section)) - _LIBRARIES
    return sorted(libraries | {name for name in re.findall(r"\bName: (\S+)", section) if not _is_there(name)})


def _is_there(version: str) -> bool:
    family, _, number = version.partition("_")
    is_number = re.fullmatch(r"\d+(\.\d+)*", number) is not None
    return is_number and tuple(map(int, number.split("."))) <= _NEWEST.get(family, ())


if __name__ == "__main__":
    main()
