"""Whether native code makes documents text, and text documents, where it is installed and NATIVE is not `off` (pure).

Python defines what is written and read, and does whatever native code declines.
"""

from collections.abc import Callable
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


class Reader(Protocol):
    """The text of a body -> the BSON of the documents in one of its members, as shared.documents.stored_bodies says."""

    def __init__(
        self,
        body: bytes,
        member: bytes,
        *,
        are_many: bool,
        new_ids: Callable[[int], bytes] | None,
        most_levels: int,
        most_members: int,
    ) -> None:
        """Take a body, what is in the member, and what makes the _ids of new documents: the first of so many."""

    def begin(self) -> bool:
        """Go to the documents; return False to decline."""

    def read(self, size: int, /) -> tuple[list[bytes], bytes] | None:
        """Return the next documents, of not much more text than a size, and the array of their _ids; None to decline.

        At the end there are none.
        """

    def rest(self) -> bytes | None:
        """Return the body with null in the place of the documents; None to decline."""


class Transcoder(NamedTuple):
    """What is in use: the version, or why there is none."""

    state: str
    writer: Writer | None = None
    reader: type[Reader] | None = None


def load(choice: str) -> Transcoder:
    """Return what is in use under this value of NATIVE; whatever is wrong with native code, Python can do without."""
    if choice == "off":
        return Transcoder("off")
    try:
        writer = import_module("dozen_transcode.writer")
        version = getattr(writer, "VERSION", None)
        if version != VERSION:
            return Transcoder(f"version {version}, not {VERSION}")
        reader = import_module("dozen_transcode.reader")
    except ModuleNotFoundError as error:
        return Transcoder("missing" if error.name == "dozen_transcode" else "broken")
    except ImportError:
        return Transcoder("broken")
    return Transcoder(str(VERSION), cast("Writer", writer), reader.Reader)
