"""How native/ gets into .venv, where a compiler is, where none is, and where it does not compile."""

import os
import re
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from infra import locks, native
from tests.hosts import ROOT

MAKE_NEEDS = ("date", "make", "rm", "sed", "sh", "touch")
BEGINS = r"\d\d:\d\d:\d\d  building native/, .*\n"
STARTS_THE_SERVICE = {"run", "func", "test", "twins", "torture", "fuzz", "bench", "bench-connections"}

needs_a_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt-get install g++")


class Clone:
    """A clone with a .venv of its own, which has the tools of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = os.environ["PATH"]
        for name in ("infra", "native"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Makefile", "requirements-run.txt", "requirements-dev.txt"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "shared").symlink_to(ROOT / "shared")
        (folder / "tools").mkdir()
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if not path.name.startswith(native.PACKAGE):
                (folder / "tools" / path.name).symlink_to(path)
        venv.create(folder / ".venv", symlinks=True)
        for name in ("requirements-run.txt", "requirements-dev.txt"):  # which says that they are installed
            shutil.copy(ROOT / name, folder / ".venv")

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        return self.run("make", "--silent", target)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": self.path, "PYTHONPATH": str(self.folder / "tools"), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def without_compilers(self) -> None:
        """Leave on the path only what make needs."""
        path = self.folder / "bin"
        path.mkdir()
        for name in MAKE_NEEDS:
            (path / name).symlink_to(str(shutil.which(name)))
        self.path = str(path)

    def installed(self) -> set[str]:
        """Name the modules that its Python finds."""
        packages = self.folder / ".venv/lib/python3.13/site-packages"
        return {f"{path.parent.name}.{path.name.partition('.')[0]}" for path in packages.glob("*/*.so")}

    def tried(self) -> float:
        """Say when a build was last tried."""
        return (self.folder / ".venv/native").stat().st_mtime

    def sources(self) -> set[Path]:
        return set((self.folder / "native").rglob("*"))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which native/ was built."""
    clone = Clone(tmp_path_factory.mktemp("built"))
    done = clone.make(".venv/native")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(BEGINS, done.stdout)
    return clone


def test_a_machine_without_a_compiler_is_told_so_in_one_sentence(clone: Clone) -> None:
    clone.without_compilers()

    done = clone.make(".venv/native")

    assert done.returncode == 0
    assert re.fullmatch(BEGINS, done.stdout)
    assert re.fullmatch(
        r"native/ is not built \(there is no C\+\+ compiler, \S+\): all works without it, more slowly; "
        r"`make native` tries again\.\n",
        done.stderr,
    )


def test_a_build_that_failed_is_not_tried_at_every_start(clone: Clone) -> None:
    clone.without_compilers()
    clone.make(".venv/native")

    again = clone.make(".venv/native")

    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_make_native_fails_where_it_cannot_be_built(clone: Clone) -> None:
    clone.without_compilers()
    clone.make(".venv/native")

    done = clone.make("native")

    assert done.returncode != 0
    assert "native/ is not built (there is no C++ compiler" in done.stderr


@needs_a_compiler
@pytest.mark.full
def test_make_builds_and_installs_what_native_says(built: Clone) -> None:
    loaded = built.run(".venv/bin/python", "-c", f"import {', '.join(native.modules())}")

    assert built.installed() == set(native.modules())
    assert (loaded.returncode, loaded.stderr) == (0, "")


@needs_a_compiler
@pytest.mark.full
def test_a_build_leaves_nothing_beside_the_sources(built: Clone) -> None:
    written = {path.relative_to(built.folder) for path in built.sources()}
    kept = {path.relative_to(ROOT) for path in (ROOT / "native").rglob("*") if "__pycache__" not in path.parts}

    assert written == kept


@needs_a_compiler
@pytest.mark.full
def test_it_is_built_again_only_when_a_source_has_changed(built: Clone) -> None:
    before = built.tried()
    built.make(".venv/native")
    unchanged = built.tried()
    (built.folder / "native/dozen_transcode/writer.pyx").touch()
    built.make(".venv/native")

    assert unchanged == before
    assert built.tried() > before


@needs_a_compiler
@pytest.mark.full
def test_what_does_not_compile_is_said_in_one_sentence_and_leaves_nothing_old_installed(built: Clone) -> None:
    source = built.folder / "native/dozen_transcode/writer.pyx"
    source.write_text("def batch(documents, form):\n    return missing_name\n")

    done = built.make(".venv/native")

    assert done.returncode == 0
    assert re.fullmatch(
        r"native/ is not built \(its build failed\): all works without it, more slowly; `make native` tries again, "
        r"\S+/native\.log says more\.\n",
        done.stderr,
    )
    assert "undeclared name not builtin: missing_name" in (built.folder / ".venv/native.log").read_text()
    assert built.installed() == set()


def test_whatever_starts_the_service_here_builds_it_first() -> None:
    rules = re.findall(r"^([a-z-]+): .*\$\(COMPILED\)", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(rules) == STARTS_THE_SERVICE


def test_the_tools_that_build_it_are_locked_with_hashes() -> None:
    lock = locks.only((ROOT / "requirements-run.txt").read_text(), native.TOOLS)

    assert set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)) == native.TOOLS
    assert lock.count("--hash=sha256:") > len(native.TOOLS)


def test_its_flags_suit_every_machine() -> None:
    written = (ROOT / "native/pyproject.toml").read_text() + (ROOT / "infra/native.py").read_text()

    assert re.findall(r"-m(?:arch|tune|cpu|sse|avx|bmi)\S*|immintrin|-static-lib\S+", written) == []
