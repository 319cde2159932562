"""The files of an app's npm packages: a folder, or an archive of it. What is outside of it is never read."""

import gzip
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Protocol

LARGEST_ARCHIVE = 15 * 1024 * 1024
LARGEST_UNPACKED = 10 * LARGEST_ARCHIVE
LARGEST_FILE = 4 * 1024 * 1024
MOST_BYTES = LARGEST_ARCHIVE
"""Of all files together that are read."""

MOST_MEMBERS = 100_000
ARCHIVES = ("node_modules.tar", "node_modules.tar.gz", "node_modules.tgz", "node_modules.zip")
_TOP = "node_modules/"
_BROKEN = (OSError, EOFError, ValueError, RuntimeError, zlib.error, tarfile.TarError, zipfile.BadZipFile)


class PackagesError(Exception):
    """The packages cannot be read; the text says why."""


class PackageFiles:
    """Files by their paths in `node_modules`; each is read once."""

    def __init__(self, source: "Source") -> None:
        """Take where they are."""
        self._source = source
        self._texts: dict[str, str | None] = {}
        self._left = MOST_BYTES

    def is_file(self, path: str) -> bool:
        """Tell whether there is a file, which is no link to elsewhere."""
        return self._source.is_file(path)

    def is_folder(self, path: str) -> bool:
        """Tell whether there is a folder."""
        return self._source.is_folder(path)

    def text(self, path: str) -> str | None:
        """Return the text of a file, None if there is none or it is no text; raise PackagesError for too much of it."""
        if path not in self._texts:
            self._texts[path] = self._read(path) if self.is_file(path) else None
        return self._texts[path]

    @property
    def read(self) -> Mapping[str, str | None]:
        """All that was read so far."""
        return self._texts

    def _read(self, path: str) -> str | None:
        content = self._source.content(path)
        self._left -= len(content)
        if len(content) > LARGEST_FILE or self._left < 0:
            raise PackagesError(f"node_modules/{path} is too large, or all that is needed of node_modules together")
        try:
            text = content.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            return None
        return None if "\0" in text else text


class Source(Protocol):
    """Where files are."""

    def is_file(self, path: str, /) -> bool:
        """Tell whether a path is a file."""

    def is_folder(self, path: str, /) -> bool:
        """Tell whether a path is a folder."""

    def content(self, path: str, /) -> bytes:
        """Return the bytes of a file, of one that is too large no more than tells so."""


class Nothing:
    """No packages at all."""

    def is_file(self, _path: str) -> bool:
        """Have none."""
        return False

    is_folder = is_file

    def content(self, path: str) -> bytes:
        """Fail, for nobody asks for what is not there."""
        raise PackagesError(f"node_modules/{path} is not there")


class Folder:
    """The folder itself. Links in it are followed only to what is in it."""

    def __init__(self, root: Path) -> None:
        """Take it."""
        self._root = root.resolve()

    def is_file(self, path: str) -> bool:
        """Tell whether a path is a file."""
        return (found := self._inside(path)) is not None and found.is_file()

    def is_folder(self, path: str) -> bool:
        """Tell whether a path is a folder."""
        return (found := self._inside(path)) is not None and found.is_dir()

    def content(self, path: str) -> bytes:
        """Return the bytes of a file, of one that is too large no more than tells so."""
        with (self._root / path).open("rb") as file:
            return file.read(LARGEST_FILE + 1)

    def _inside(self, path: str) -> Path | None:
        try:
            found = (self._root / path).resolve()
        except (OSError, ValueError):
            return None
        return found if found.is_relative_to(self._root) else None


class Archive:
    """An archive. Its links are no files, and a path that leads out of it is one that nothing asks for."""

    def __init__(self, path: Path, closing: ExitStack) -> None:
        """Open it, until that is closed."""
        try:
            if path.stat().st_size > LARGEST_ARCHIVE:
                raise PackagesError(f"an archive of packages has no more than {LARGEST_ARCHIVE} bytes")
            self._members = _zipped(path, closing) if path.suffix == ".zip" else _tarred(path, closing)
        except _BROKEN as error:
            raise PackagesError(f"the archive cannot be read: {error}") from None
        self._folders = frozenset(
            "/".join(parts[:count])
            for parts in (each.split("/") for each in self._members)
            for count in range(len(parts))
        )

    def is_file(self, path: str) -> bool:
        """Tell whether a path is a file."""
        return path in self._members

    def is_folder(self, path: str) -> bool:
        """Tell whether a path is a folder."""
        return path in self._folders

    def content(self, path: str) -> bytes:
        """Return the bytes of a file, of one that is too large no more than tells so."""
        try:
            with self._members[path]() as file:
                return file.read(LARGEST_FILE + 1)
        except _BROKEN as error:
            raise PackagesError(f"node_modules/{path} cannot be read: {error}") from None


def _name(member: str) -> str | None:
    """Return the path in `node_modules` that a member of an archive is at."""
    path = member.removeprefix("./")
    return path.removeprefix(_TOP) if path.startswith(_TOP) else None


def _zipped(path: Path, closing: ExitStack) -> dict[str, Callable[[], IO[bytes]]]:
    archive = closing.enter_context(zipfile.ZipFile(path))
    infos = archive.infolist()
    return {name: partial(archive.open, each) for each in infos if not each.is_dir() and (name := _name(each.filename))}


def _tarred(path: Path, closing: ExitStack) -> dict[str, Callable[[], IO[bytes]]]:
    if path.suffix == ".tar":
        archive = closing.enter_context(tarfile.open(path, mode="r:"))  # noqa: SIM115  closed with the others
    else:
        file = closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  closed with the others
        _unpack(path, file)
        archive = closing.enter_context(tarfile.open(fileobj=file, mode="r:"))  # noqa: SIM115  closed with the others
    found: dict[str, Callable[[], IO[bytes]]] = {}
    for count, each in enumerate(archive):
        if count == MOST_MEMBERS:
            raise PackagesError(f"an archive of packages has no more than {MOST_MEMBERS} members")
        name = _name(each.name)
        if each.isreg() and name:
            found[name] = partial(archive.fileobject, archive, each)
    return found


def _unpack(path: Path, file: IO[bytes]) -> None:
    """Write what a compressed file holds into one that is read here and there."""
    with gzip.open(path) as packed:
        while block := packed.read(1 << 20):
            file.write(block)
            if file.tell() > LARGEST_UNPACKED:
                raise PackagesError(f"an archive of packages unpacks to no more than {LARGEST_UNPACKED} bytes")
    file.seek(0)
