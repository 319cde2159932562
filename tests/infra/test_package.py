"""The package that `make package` builds: what is in it, that it runs, that it is the same again."""

import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra import azure_linux, locks, native, release
from local.mongod import Mongod
from tests.hosts import ROOT
from tests.infra.test_pipeline import admin_script

pytestmark = pytest.mark.full  # it builds two packages

needs_a_compiler = pytest.mark.skipif(
    sysconfig.get_platform() != "linux-x86_64" or shutil.which("g++") is None,
    reason="g++ is not installed, or does not compile for Azure's Linux",
)

PACKAGES = release.DEPENDENCIES.as_posix()
SERVER = {"h11", "httptools", "uvicorn", "uvloop"}
TOOLS = {"pip", "pytest", "ruff", "mypy", "httpx", "hypothesis", "azure-functions-runtime", "uv"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two packages, built at the same time by processes that have little in common, once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "packages"
    folder.mkdir(exist_ok=True)
    places = [folder / "one.zip", folder / "two.zip"]
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(place.exists() for place in places):
            _build(places)
    return places


def _build(places: list[Path]) -> None:
    differences = [{"TZ": "UTC", "PYTHONHASHSEED": "1"}, {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2", "LC_ALL": "C"}]
    builds = [
        subprocess.Popen(
            [sys.executable, "-m", "infra.package", str(place)],
            cwd=ROOT, env=os.environ | different, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, umask=umask,
        )
        for place, different, umask in zip(places, differences, (0o022, 0o077), strict=True)
    ]  # fmt: skip
    said = [build.communicate(timeout=600)[0] for build in builds]
    assert [build.returncode for build in builds] == [0, 0], said


@pytest.fixture(scope="module")
def package(packages: list[Path]) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(packages[0]) as archive:
        yield archive


@pytest.fixture(scope="module")
def unpacked(package: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    package.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def distributions(unpacked: Path) -> dict[str, importlib.metadata.Distribution]:
    found = importlib.metadata.distributions(path=[str(unpacked / release.DEPENDENCIES)])
    return {canonicalize_name(each.metadata["Name"]): each for each in found}


def needs(distribution: importlib.metadata.Distribution) -> set[str]:
    """Name what a package asks for without extras, on this Python and in Azure's Linux."""
    asked = [Requirement(text) for text in distribution.requires or []]
    return {canonicalize_name(each.name) for each in asked if not each.marker or each.marker.evaluate({"extra": ""})}


@pytest.mark.long
def test_two_builds_give_the_same_bytes(packages: list[Path]) -> None:
    one, two = packages

    assert one.read_bytes() == two.read_bytes()


def test_the_top_holds_the_code_and_its_packages(package: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in package.namelist()} == {*release.SHIPPED, ".python_packages", "__pycache__"}


def test_the_host_finds_what_it_looks_for(package: zipfile.ZipFile) -> None:
    assert {"host.json", "function_app.py", f"{PACKAGES}/pymongo/__init__.py"} <= set(package.namelist())


def test_what_functions_of_an_app_run_in_is_in_it(package: zipfile.ZipFile) -> None:
    parts = {each.relative_to(ROOT).as_posix() for each in (ROOT / "shared" / "javascript").rglob("*.js")}

    assert {f"{PACKAGES}/_quickjs.abi3.so", *parts} <= set(package.namelist())


def test_only_what_runs_is_in_it(package: zipfile.ZipFile) -> None:
    names = package.namelist()

    assert [name for name in names if set(name.split("/")) & {"tests", "docs", "bench", "infra", "local", "bin"}] == []
    assert [name for name in names if Path(name).suffix in {".pyi", ".pyx", ".c", ".h", ".exe"}] == []


def test_the_servers_own_modules_are_not_in_it(package: zipfile.ZipFile) -> None:
    asking = [name for name in package.namelist() if name.endswith(".py") and b"import uvicorn" in package.read(name)]

    assert asking == []
    assert [name for name in package.namelist() if name.startswith("server/")] == []


def test_the_packages_are_the_locked_ones_without_a_server(
    distributions: dict[str, importlib.metadata.Distribution],
) -> None:
    locked = {name.split("==")[0] for name in (ROOT / "requirements.txt").read_text().splitlines() if "==" in name[:60]}
    elsewhere = {"colorama"}  # Windows only

    assert distributions.keys() - {native.DISTRIBUTION} == {
        name for name in locked if not name.startswith(" ")
    } - SERVER - elsewhere - {"click"}
    assert not distributions.keys() & TOOLS


def test_nothing_that_a_package_needs_is_left_out(
    distributions: dict[str, importlib.metadata.Distribution],
) -> None:
    missing = {name: needs(each) - distributions.keys() for name, each in distributions.items()}

    assert {name: lacks for name, lacks in missing.items() if lacks} == {}


def test_every_extension_is_for_azures_linux(package: zipfile.ZipFile) -> None:
    extensions = [name for name in package.namelist() if name.endswith(".so")]
    suffixes = (".cpython-313-x86_64-linux-gnu.so", ".abi3.so")

    assert [name for name in extensions if not name.endswith(suffixes)] == []
    assert len(extensions) > 10


@needs_a_compiler
def test_what_native_compiles_is_in_it_and_asks_azures_linux_for_nothing_that_is_missing(packages: list[Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.azure_linux", str(packages[0])],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


@needs_a_compiler
def test_what_native_compiles_has_the_tag_of_azures_linux(
    distributions: dict[str, importlib.metadata.Distribution],
) -> None:
    assert f"Tag: cp313-cp313-{azure_linux.PLATFORM}\n" in (distributions[native.DISTRIBUTION].read_text("WHEEL") or "")


@needs_a_compiler
def test_a_release_whose_compiled_code_does_not_load_is_found(unpacked: Path, tmp_path: Path) -> None:
    broken = tmp_path / "release"
    shutil.copytree(unpacked, broken, copy_function=os.link)
    (module, *_) = (broken / release.DEPENDENCIES / native.PACKAGE).glob("*.so")
    module.unlink()
    module.write_bytes(b"for another machine")

    with pytest.raises(subprocess.CalledProcessError):
        release.functions_in(broken)


def test_every_module_is_compiled_to_a_file_that_python_trusts_unseen(package: zipfile.ZipFile) -> None:
    sources = {name for name in package.namelist() if name.endswith(".py")}
    compiled = {name: package.read(name)[:8] for name in package.namelist() if name.endswith(".pyc")}
    trusted = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")  # by hash, and the hash is not checked

    assert {importlib.util.cache_from_source(name) for name in sources} == compiled.keys()
    assert set(compiled.values()) == {trusted}


def test_its_size_is_bounded(packages: list[Path]) -> None:
    assert packages[0].stat().st_size < 36e6


# builds a package
def test_the_pipelines_admin_process_runs_from_the_package(
    packages: list[Path], tmp_path: Path, mongod: Mongod, key: str
) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/dozen.zip").symlink_to(packages[0])
    done = subprocess.run(
        ["sh", "-c", admin_script(tmp_path, "keys list")],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "MONGO_DB_URI": mongod.uri, "COLUMNS": "120"},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert "tests" in done.stdout  # the key's name


def test_the_package_has_a_program_that_runs_from_any_folder(
    package: zipfile.ZipFile, unpacked: Path, tmp_path: Path
) -> None:
    modes = {entry.filename: entry.external_attr >> 16 for entry in package.infolist()}
    (tmp_path / "dozen").symlink_to(unpacked / release.PROGRAM)
    (unpacked / release.PROGRAM).chmod(modes[release.PROGRAM])  # extractall leaves it out, unzip does not
    done = subprocess.run(
        ["./dozen", "keys", "list"],
        cwd=tmp_path, env={"PATH": f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert {name for name, mode in modes.items() if mode & 0o111} == {release.PROGRAM}
    assert done.returncode == 2
    assert "no MongoDB is configured" in done.stderr


def test_an_admin_process_of_the_package_passes_its_exit_code_on(packages: list[Path]) -> None:
    done = subprocess.run(
        [str(ROOT / "infra/admin.sh"), str(packages[0]), "keys", "list"],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "no MongoDB is configured" in done.stderr


def test_an_admin_process_of_the_package_runs_where_what_native_compiles_does_not_load(
    packages: list[Path], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.zip"
    with zipfile.ZipFile(packages[0]) as package, zipfile.ZipFile(elsewhere, "w") as other:
        for name in package.namelist():
            content = b"for another machine" if f"/{native.PACKAGE}/" in name and ".so" in name else package.read(name)
            other.writestr(name, content)

    done = subprocess.run(
        [str(ROOT / "infra/admin.sh"), str(elsewhere), "keys", "list"],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "no MongoDB is configured" in done.stderr


@pytest.mark.parametrize(
    ("unused", "left"),
    [
        pytest.param(
            {"a"}, "b==1\n    # via -r requirements.in\nd==1\n    # via\n    #   b\n    #   c\n", id="closure"
        ),
        pytest.param(set(), None, id="nothing unused"),
    ],
)
def test_a_lock_without_a_package_lacks_what_only_that_one_asked_for(unused: set[str], left: str | None) -> None:
    lock = (
        "a==1 \\\n    --hash=sha256:0\n    # via -r requirements.in\n"
        "b==1\n    # via -r requirements.in\n"
        "c==1\n    # via a\n"
        "d==1\n    # via\n    #   b\n    #   c\n"
        "e==1\n    # via\n    #   a\n    #   c\n"
    )

    assert locks.without(lock, frozenset(unused)) == (lock if left is None else left)
