"""Whether documents are made text in native code: by `native/`, where it is installed and NATIVE is not `off` (pure).

Python defines what is written, and writes whatever native code declines.
"""

from importlib import import_module
from typing import NamedTuple, Protocol, cast

VERSION = 1
"""Of what is called: native code of another version is not used."""


class Writer(Protocol):
    """BSON -> text, as shared.documents.replies writes it; None for what is Python's to write, or to refuse."""

    def batch(self, documents: bytes, form: str, /) -> tuple[bytes, int] | None:
        """Return concatenated documents as texts with commas between, and their number."""

    def document(self, content: bytes, form: str, /) -> bytes | None:
        """Return a document as text."""


class Transcoder(NamedTuple):
    """What is in use: the version, or why there is none."""

    state: str
    writer: Writer | None = None


def load(choice: str) -> Transcoder:
    """Return what is in use under this value of NATIVE; whatever is wrong with native code, Python can do without."""
    if choice == "off":
        return Transcoder("off")
    try:
        writer = import_module("dozen_transcode.writer")
    except ModuleNotFoundError as error:
        return Transcoder("missing" if error.name == "dozen_transcode" else "broken")
    except ImportError:
        return Transcoder("broken")
    version = getattr(writer, "VERSION", None)
    if version != VERSION:
        return Transcoder(f"version {version}, not {VERSION}")
    return Transcoder(str(VERSION), cast("Writer", writer))
