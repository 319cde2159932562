"""Lays out a release in a folder: our code and the locked packages that one host runs, and nothing else.

The zip and both images are made by it: `python -m infra.release functions|server FOLDER`, then `… compile FOLDER`.
"""

import importlib.util
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra import locks, native

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("LICENSE", "admin", "dozen", "function_app.py", "functions", "host.json", "requirements.txt", "shared")
SERVED = ("LICENSE", "admin", "dozen", "function_app.py", "functions", "requirements.txt", "server", "shared")
PROGRAM = "dozen"
CODE = {"functions": SHIPPED, "server": SERVED}
SERVER_ONLY = frozenset({"httptools", "uvicorn", "uvloop"})  # Azure's host brings its own
DEPENDENCIES = Path(".python_packages/lib/site-packages")  # the one folder that Azure's worker adds to the path

_NOT_RUN = frozenset({".c", ".h", ".pxd", ".pxi", ".pyi", ".pyx"})  # for compilers of extensions, and type checkers
_TESTS = frozenset({"tests", "testdata"})
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
    "aiosmtplib",
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


def lay_out(folder: Path, host: str, platforms: Sequence[str] = (), wheel: Path | None = None) -> None:
    """Fill a folder with the code, with wheels for the platforms or else for this machine, and with that of native/."""
    _copy_code(folder, CODE[host])
    lock = (ROOT / "requirements.txt").read_text()
    if host == "functions":
        lock = locks.without(lock, SERVER_ONLY)
    packages = folder / DEPENDENCIES
    locks.install(packages, lock, platforms)
    if wheel:  # by its name, because pip writes down where a wheel lay that was given to it as a file
        locks.install_into(packages, platforms, "--no-index", f"--find-links={wheel.parent}", native.DISTRIBUTION)
    _trim(packages)


def compile_all(folder: Path) -> None:
    """Compile to files that Python trusts unseen: a zip rounds the times that it would compare."""
    locks.run_python("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", ".", folder=folder)


def compile_used(folder: Path) -> None:
    """Compile what the service loads, of Python's own library too, as an image that cannot be written to never will."""
    for path in map(Path, _load(folder, "server")[1]):
        if not Path(importlib.util.cache_from_source(str(path))).exists():
            py_compile.compile(str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def functions_in(folder: Path) -> int:
    """Load every module from the release alone, which shows that no package is missing; count the functions."""
    return _load(folder)[0]


def _load(folder: Path, *modules: str) -> tuple[int, list[str]]:
    command = ("-I", "-S", "-B", "-W", "ignore", "-c", _LOAD, str(folder), str(folder / DEPENDENCIES))
    extensions = (folder / DEPENDENCIES / native.PACKAGE).glob("*.so")
    compiled = (f"{native.PACKAGE}.{path.name.partition('.')[0]}" for path in extensions)
    loaded = locks.run_python(*command, *modules, *_ON_DEMAND, *compiled, folder=folder)
    *_, count_and_files = loaded.partition(_LOADED)
    count, *files = count_and_files.split()
    return int(count), files


def _copy_code(folder: Path, names: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copyfile(source, folder / name)
    (folder / PROGRAM).chmod(0o755)


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
    """Lay out the release of a host, or compile or load one that lies there."""
    if what == "compile":
        compile_used(folder)
    elif what == "compile-all":
        compile_all(folder)
    elif what == "load":
        functions_in(folder)
    else:
        with tempfile.TemporaryDirectory() as wheels:
            lay_out(folder, what, wheel=_wheel(Path(wheels)))


def _wheel(folder: Path) -> Path:
    """Build native/, without which an image is not made: its builder has a compiler."""
    try:
        return native.wheel(folder)
    except native.NotBuiltError as why:
        sys.exit(f"{why.printed}native/ is not built ({why})")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
