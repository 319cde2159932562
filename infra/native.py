"""Builds native/, without which Dozen does the same more slowly; from a copy, so that nothing lies beside its sources.

`python -m infra.native` installs it into this Python, as `make run` and `make test` do first.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

from infra import locks

DISTRIBUTION = "dozen-transcode"
PACKAGE = "dozen_transcode"
TOOLS = frozenset({"cython", "setuptools"})

_ROOT = Path(__file__).resolve().parent.parent
_SOURCES = _ROOT / "native"
_LEFT_OVER = shutil.ignore_patterns("__pycache__", "*.cpp", "*.egg-info", "*.so", "build")
# It reads what callers send, hence the stack protector and what is read-only once linked; it holds no path and no
# symbol of this machine, so that two builds give the same bytes.
_COMPILED = "-DNDEBUG -fno-strict-overflow -fvisibility=hidden -fstack-protector-strong"
_LINKED = "-shared -Wl,-s -Wl,-z,relro -Wl,-z,now"


class NotBuiltError(Exception):
    """Says why there is nothing to install, in words that go between brackets, and what was printed."""

    def __init__(self, reason: str, printed: str = "") -> None:
        """Keep both."""
        super().__init__(reason)
        self.printed = printed


def modules() -> list[str]:
    """Name the modules that are compiled."""
    project = tomllib.loads((_SOURCES / "pyproject.toml").read_text())
    return [module["name"] for module in project["tool"]["setuptools"]["ext-modules"]]


def wheel(folder: Path, platform: str | None = None) -> Path:
    """Build a wheel in a folder, with the locked tools and a tag that names the platform, and return where it lies."""
    tools = folder / "tools"
    locks.install(tools, locks.only((_ROOT / "requirements-run.txt").read_text(), TOOLS))
    return _wheel(folder, platform, {"PYTHONPATH": str(tools)})


def _wheel(folder: Path, platform: str | None, environment: dict[str, str]) -> Path:
    compiler = os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++"
    if not shutil.which(compiler.split()[0]):
        raise NotBuiltError(f"there is no C++ compiler, {compiler.split()[0]}")
    shutil.copytree(_SOURCES, folder / "source", ignore=_LEFT_OVER)
    command = [
        *(sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-build-isolation", "--no-deps"),
        *("--no-index", "--wheel-dir", str(folder), str(folder / "source")),
        *([f"--config-settings=--build-option=--plat-name={platform}"] if platform else []),
    ]
    env = os.environ | environment | _flags(compiler)
    done = subprocess.run(command, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603  our own
    if done.returncode:
        raise NotBuiltError("its build failed", done.stdout)
    return next(folder.glob("*.whl"))


def _flags(compiler: str) -> dict[str, str]:
    """Return what replaces the flags that this Python was compiled with, which may name folders of its machine."""
    if sys.platform != "linux":
        return {}
    return {"CXXFLAGS": _COMPILED, "CPPFLAGS": "", "LDFLAGS": "", "LDCXXSHARED": f"{compiler} {_LINKED}"}


def main() -> None:
    """Install it into this Python, or say in a sentence why not, and leave none of another day there."""
    log = Path(sys.prefix) / "native.log"
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            built = _wheel(Path(folder), None, {})
        except NotBuiltError as why:
            log.write_text(why.printed)
            _pip("uninstall", "--yes", DISTRIBUTION)
            sys.exit(
                f"native/ is not built ({why}): all works without it, more slowly; `make native` tries again"
                + (f", {log} says more." if why.printed else ".")
            )
        _pip("install", "--no-deps", "--no-index", "--force-reinstall", str(built))


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True)  # noqa: S603  our own


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # make says what to do
