"""Lays out a release in a folder: our code and the locked packages that one host runs, and nothing else.

The zip and both images are made by it: `python infra/release.py functions|server FOLDER`, then `… compile FOLDER`.
"""

import importlib.util
import py_compile
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("LICENSE", "admin", "function_app.py", "functions", "host.json", "requirements.txt", "shared")
SERVED = ("LICENSE", "admin", "function_app.py", "functions", "requirements.txt", "server", "shared")
CODE = {"functions": SHIPPED, "server": SERVED}
SERVER_ONLY = frozenset({"httptools", "uvicorn", "uvloop"})  # Azure's host brings its own
DEPENDENCIES = Path(".python_packages/lib/site-packages")  # the one folder that Azure's worker adds to the path

_NOT_RUN = frozenset({".c", ".h", ".pxd", ".pxi", ".pyi", ".pyx"})  # for compilers of extensions, and type checkers
_TESTS = frozenset({"tests", "testdata"})
_ASKER = re.compile(r"^ +#(?: via)? +(?!via)(\S.*)$", re.MULTILINE)
_LOAD = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:3]
import function_app
for folder in ("admin", "functions", "shared"):
    for module in pkgutil.walk_packages([f"{sys.argv[1]}/{folder}"], f"{folder}."):
        importlib.import_module(module.name)
for name in sys.argv[3:]:
    importlib.import_module(name)
# asking an app for its functions works once, and server has asked
print("loaded:", 0 if "server" in sys.modules else len(function_app.app.get_functions()))
for module in tuple(sys.modules.values()):
    if (getattr(module, "__file__", None) or "").endswith(".py"):
        print(module.__file__)
"""
_LOADED = "loaded:"  # the settings are missing there, which the service says before it
# what our code imports only when a setting asks for it
_ON_DEMAND = (
    "argon2",
    "azure.identity",
    "azure.monitor.opentelemetry.exporter",
    "dns.resolver",
    "jwt",
    "opencensus.ext.azure.log_exporter",
    "opencensus.ext.azure.metrics_exporter",
    "opencensus.ext.azure.trace_exporter",
    "redis.asyncio",
)


def lay_out(folder: Path, host: str, platforms: Sequence[str] = ()) -> None:
    """Fill a folder with the code, and with wheels for the platforms or else for this machine."""
    _copy_code(folder, CODE[host])
    lock = (ROOT / "requirements.txt").read_text()
    if host == "functions":
        lock = without(lock, SERVER_ONLY)
    _install(folder / DEPENDENCIES, lock, platforms)
    _trim(folder / DEPENDENCIES)


def compile_all(folder: Path) -> None:
    """Compile to files that Python trusts unseen: a zip rounds the times that it would compare."""
    run_python("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", ".", folder=folder)


def compile_used(folder: Path) -> None:
    """Compile what the service loads, of Python's own library too, as an image that cannot be written to never will."""
    for path in map(Path, _load(folder, "server", *_ON_DEMAND)[1]):
        if not Path(importlib.util.cache_from_source(str(path))).exists():
            py_compile.compile(str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def functions_in(folder: Path) -> int:
    """Load every module from the release alone, which shows that no package is missing; count the functions."""
    return _load(folder, *_ON_DEMAND)[0]


def run_python(*arguments: str, folder: Path) -> str:
    """Run this Python in a folder and return what it prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603  our own


def _load(folder: Path, *modules: str) -> tuple[int, list[str]]:
    command = ("-I", "-S", "-B", "-W", "ignore", "-c", _LOAD, str(folder), str(folder / DEPENDENCIES))
    *_, count_and_files = run_python(*command, *modules, folder=folder).partition(_LOADED)
    count, *files = count_and_files.split()
    return int(count), files


def without(lock: str, unused: frozenset[str]) -> str:
    """Return a lock without the packages named, and without those that nothing else asks for."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    asked_by = {_name(entry): set(_ASKER.findall(entry)) for entry in entries}
    gone = set(unused)
    while more := {name for name, askers in asked_by.items() if askers and askers <= gone} - gone:
        gone |= more
    return "".join(entry for entry in entries if _name(entry) not in gone)


def _name(entry: str) -> str:
    return entry.partition("==")[0]


def _copy_code(folder: Path, names: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copyfile(source, folder / name)


def _install(target: Path, lock: str, platforms: Sequence[str]) -> None:
    """Install the locked wheels; for platforms that are not this machine's, those of CPython 3.13 there."""
    foreign = ("--implementation", "cp", "--python-version", "3.13", *(f"--platform={each}" for each in platforms))
    target.mkdir(parents=True)
    requirements = target / "requirements.txt"
    requirements.write_text(lock)
    run_python(
        *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--root-user-action=ignore"),
        *("--requirement", str(requirements), "--target", str(target)),
        *(foreign if platforms else ()),
        folder=target,
    )
    requirements.unlink()


def _trim(target: Path) -> None:
    """Remove what wheels carry and nothing runs: programs, tests, sources of extensions, types."""
    shutil.rmtree(target / "bin", ignore_errors=True)  # programs that name the Python of this machine
    for folder in [path for path in target.rglob("*") if path.name in _TESTS and path.is_dir()]:
        shutil.rmtree(folder)
    for path in [path for path in target.rglob("*") if path.suffix in _NOT_RUN and path.is_file()]:
        path.unlink()
    for record in target.glob("*.dist-info/RECORD"):  # names every file of the wheel
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if (target / line.rsplit(",", 2)[0].strip('"')).is_file()))


def main(what: str, folder: Path) -> None:
    """Lay out the release of a host, or compile one that lies there."""
    if what == "compile":
        compile_used(folder)
    elif what == "compile-all":
        compile_all(folder)
    else:
        lay_out(folder, what)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
