"""The explorer's page and what it is made of: files that a browser reads as they are."""

from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

PAGE = "index.html"

_TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


class File(NamedTuple):
    """A file as it is sent."""

    content: bytes
    media_type: str
    tag: str
    """Its entity tag, which changes with its bytes."""


class Files:
    """The files by name, read once, when the first is asked for."""

    def __init__(self) -> None:
        """Read none yet."""
        self._read: dict[str, File] = {}

    def get(self, name: str) -> File | None:
        """Return a file, None if there is none of this name."""
        if not self._read:
            self._read.update(_read())
        return self._read.get(name)


def _read() -> Iterator[tuple[str, File]]:
    for each in files(__name__).iterdir():
        media_type = _TYPES.get(each.name.rpartition(".")[2])
        if media_type is not None:
            content = each.read_bytes()
            yield each.name, File(content, media_type, f'"{sha256(content).hexdigest()[:40]}"')
