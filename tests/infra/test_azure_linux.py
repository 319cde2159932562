"""What compiled code may ask of Azure's Linux, and what is said of a package that asks for more."""

import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import orjson
import pytest

from infra import azure_linux, native
from infra.native import NotBuiltError
from tests.hosts import ROOT

FINE = """
 0x0000000000000001 (NEEDED)             Shared library: [libstdc++.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
Version needs section '.gnu.version_r' contains 2 entries:
  000000: Version: 1  File: libstdc++.so.6  Cnt: 1
  0x0010:   Name: GLIBCXX_3.4.30  Flags: none  Version: 5
  0x0020:   Name: CXXABI_1.3.13  Flags: none  Version: 7
  000030: Version: 1  File: libc.so.6  Cnt: 3
  0x0040:   Name: GLIBC_2.36  Flags: none  Version: 4
  0x0050:   Name: GLIBC_2.2.5  Flags: none  Version: 3
"""


def package(folder: Path, *names: str, content: bytes = b"") -> Path:
    path = folder / "some.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f".python_packages/lib/site-packages/{name}", content)
    return path


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.azure_linux", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def files() -> list[str]:
    return [name.replace(".", "/") + azure_linux.SUFFIX for name in native.modules()]


def test_what_azures_linux_has_may_be_asked_for() -> None:
    assert azure_linux.missing_from(FINE) == []


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        pytest.param("  Name: GLIBC_2.38  Flags", "GLIBC_2.38", id="a newer glibc"),
        pytest.param("  Name: GLIBC_3.1  Flags", "GLIBC_3.1", id="a glibc to come"),
        pytest.param("  Name: GLIBCXX_3.4.31  Flags", "GLIBCXX_3.4.31", id="a newer libstdc++"),
        pytest.param("  Name: CXXABI_1.3.14  Flags", "CXXABI_1.3.14", id="a newer interface of C++"),
        pytest.param("  Name: GCC_13.0.0  Flags", "GCC_13.0.0", id="a newer libgcc"),
        pytest.param("  Name: GLIBC_ABI_DT_RELR  Flags", "GLIBC_ABI_DT_RELR", id="a linker's own requirement"),
        pytest.param("  Name: GLIBC_PRIVATE  Flags", "GLIBC_PRIVATE", id="what glibc keeps to itself"),
        pytest.param("  Name: OPENSSL_3.0.0  Flags", "OPENSSL_3.0.0", id="a version of another library"),
        pytest.param("  (NEEDED)  Shared library: [libc++.so.1]", "libc++.so.1", id="another library"),
        pytest.param("  (NEEDED)  Shared library: [libc.musl-x86_64.so.1]", "libc.musl-x86_64.so.1", id="musl"),
        pytest.param(
            "  (RUNPATH)  Library runpath: [/opt/lib]", "/opt/lib", id="a folder of the machine that built it"
        ),
    ],
)
def test_what_it_does_not_have_is_named(line: str, missing: str) -> None:
    assert azure_linux.missing_from(f"{FINE}{line}\n") == [missing]


def test_the_builder_in_the_dockerfile_is_no_newer() -> None:
    builder = re.search(r"^ARG BUILDER=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert builder is not None

    assert builder[1].endswith("-bookworm")  # Debian 12
    assert azure_linux.GLIBC == (2, 36)  # which is Debian 12's, too
    assert azure_linux.PLATFORM == "manylinux_2_36_x86_64"


def test_a_package_without_a_module_is_refused(tmp_path: Path) -> None:
    done = checked(package(tmp_path, "dozen_transcode/__init__.py"))

    assert done.returncode == 1
    assert done.stderr == f"some.zip is without {', '.join(native.modules())} of native/\n"


def test_a_module_for_another_machine_does_not_count(tmp_path: Path) -> None:
    others = [name.replace("x86_64-linux-gnu", "aarch64-linux-gnu") for name in files()]

    assert "some.zip is without" in checked(package(tmp_path, *others)).stderr


def test_what_is_no_module_at_all_is_refused(tmp_path: Path) -> None:
    assert checked(package(tmp_path, *files(), content=b"no ELF")).returncode != 0


def test_modules_that_ask_for_what_is_there_pass(tmp_path: Path) -> None:
    (compiled,) = Path(orjson.__file__).parent.glob("*.so")  # of a wheel for older systems

    done = checked(package(tmp_path, *files(), content=compiled.read_bytes()))

    assert (done.returncode, done.stderr) == (0, "")


def test_another_system_does_not_compile_for_azures_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "macosx-14.0-arm64")

    with pytest.raises(NotBuiltError, match=r"what is compiled here is for macosx-14\.0-arm64"):
        azure_linux.wheel(tmp_path)
