"""Build dist/dozen.zip, which Azure runs: our code and the locked dependencies. The same input gives the same bytes."""

import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path

from infra import azure_linux, native, release

PACKAGE = release.ROOT / "dist" / "dozen.zip"
PLATFORMS = (azure_linux.PLATFORM, "manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """Build the package, load it as Azure would, and say what it holds."""
    package = Path(sys.argv[1]).resolve() if sys.argv[1:] else PACKAGE
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as wheels:
        stage = Path(folder)
        release.lay_out(stage, "functions", PLATFORMS, _wheel(Path(wheels)))
        release.compile_all(stage)
        functions = release.functions_in(stage)
        _zip(stage, package)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    size = package.stat().st_size / 1e6
    sys.stdout.write(f"{package.name}: {functions} functions, {size:.1f} MB, sha256 {digest}\n")


def _wheel(folder: Path) -> Path | None:
    """Build native/ for Azure's Linux, or say in a sentence why the package is without."""
    try:
        return azure_linux.wheel(folder)
    except native.NotBuiltError as why:
        sys.stderr.write(f"{why.printed}the package is without native/ ({why}): all works without it, more slowly.\n")
    return None


def _zip(stage: Path, package: Path) -> None:
    package.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(package, "w") as archive:
        for path in sorted(path for path in stage.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(stage).as_posix(), _LONG_AGO)
            entry.create_system = 3
            entry.external_attr = (0o100755 if path == stage / release.PROGRAM else 0o100644) << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


if __name__ == "__main__":
    main()
