"""Build dist/dozen.zip, which Azure runs: our code and the locked dependencies. The same input gives the same bytes."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dist" / "dozen.zip"
SHIPPED = ("LICENSE", "admin", "function_app.py", "functions", "host.json", "requirements.txt", "shared")
DEPENDENCIES = Path(".python_packages/lib/site-packages")  # the one folder that Azure's worker adds to the path
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_LOAD = """
import sys
sys.path[:0] = sys.argv[1:]
import function_app
print(len(function_app.app.get_functions()))
"""


def main() -> None:
    """Build the package, load it as Azure would, and say what it holds."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        _copy_code(stage)
        _install_dependencies(stage)
        _compile(stage)
        functions = _functions_in(stage)
        _zip(stage, PACKAGE)
    digest = hashlib.sha256(PACKAGE.read_bytes()).hexdigest()
    size = PACKAGE.stat().st_size / 1e6
    sys.stdout.write(f"{PACKAGE.relative_to(ROOT)}: {functions} functions, {size:.1f} MB, sha256 {digest}\n")


def _copy_code(stage: Path) -> None:
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, stage / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copyfile(source, stage / name)


def _install_dependencies(stage: Path) -> None:
    """Install the wheels of Azure's Linux, whatever this machine is."""
    target = stage / DEPENDENCIES
    _python(
        *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"),
        *("--require-hashes", "--requirement", "requirements.txt", "--target", str(target)),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", "3.13"),
        *(f"--platform={platform}" for platform in PLATFORMS),
        folder=stage,
    )
    shutil.rmtree(target / "bin", ignore_errors=True)  # programs that name the Python of this machine
    for record in target.glob("*.dist-info/RECORD"):
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith("../../bin/")))


def _compile(stage: Path) -> None:
    """Compile to files that Python trusts unseen: a zip rounds the times that it would compare."""
    _python("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", ".", folder=stage)


def _functions_in(stage: Path) -> int:
    """Load function_app from the package alone, which shows that no dependency is missing."""
    command = ("-I", "-S", "-B", "-c", _LOAD, str(stage), str(stage / DEPENDENCIES))
    return int(_python(*command, folder=stage))


def _zip(stage: Path, package: Path) -> None:
    package.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(package, "w") as archive:
        for path in sorted(path for path in stage.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(stage).as_posix(), _LONG_AGO)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def _python(*arguments: str, folder: Path) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603  our own


if __name__ == "__main__":
    main()
