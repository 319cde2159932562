"""Where an export's lines go: a pipe, or a file that grows with a checkpoint beside it."""

import os
import time
import zlib
from base64 import b64encode
from pathlib import Path
from typing import IO, Any, Protocol

from admin.process import StoppedError
from admin.transfer import checkpoint, files
from admin.transfer.export_checkpoint import ExportCheckpoint
from admin.transfer.reader import CollectionReader

_GZIP_FORMAT = 31
_CHECKPOINT_SECONDS = 1.0
_CHECKPOINT_BYTES = 8 * 1024 * 1024


class Sink(Protocol):
    """Where the lines go."""

    def write(self, line: bytes) -> None:
        """Take one line."""

    def record(self, reader: CollectionReader, documents: int) -> None:
        """Record that so many documents are written; cheap when it was just called."""

    def finish(self) -> None:
        """Record that these were all."""


class GzipMembers:
    """Lines as members of a gzip file, one behind the other, or as they are."""

    def __init__(self, out: IO[bytes], compressed: bool) -> None:
        self._out = out
        self._compressed = compressed
        self._member: Any = None

    def write(self, line: bytes) -> None:
        """Write one line, in a member that stays open."""
        if not self._compressed:
            self._out.write(line)
            return
        if self._member is None:
            self._member = zlib.compressobj(6, zlib.DEFLATED, _GZIP_FORMAT)
        self._out.write(self._member.compress(line))

    def end(self) -> None:
        """End a member: what was written can be read as it is."""
        if self._member is not None:
            self._out.write(self._member.flush())
            self._member = None


class PipeSink:
    """Standard output: nothing to go on from."""

    def __init__(self, out: IO[bytes], compressed: bool) -> None:
        self._out = out
        self._members = GzipMembers(out, compressed)

    def write(self, line: bytes) -> None:
        """Write one line."""
        self._members.write(line)

    def record(self, reader: CollectionReader, documents: int) -> None:
        """Do nothing: what a pipe took cannot be cut off."""

    def finish(self) -> None:
        """Write the rest."""
        self._members.end()
        self._out.flush()


class FileSink:
    """The file that grows, and its checkpoint: what stands behind the checkpoint is cut off and read again."""

    def __init__(self, file: IO[bytes], checkpoint_path: Path, state: ExportCheckpoint) -> None:
        """Take the file at any length and cut it to where the checkpoint says that whole lines are on the disk."""
        self._file = file
        self._checkpoint_path = checkpoint_path
        self._state = state
        self._members = GzipMembers(file, state.options.gzip)
        self._reader: CollectionReader | None = None
        self._documents = state.documents
        self._unsaved_bytes = 0
        self._saved_at = time.monotonic()
        if file.seek(0, os.SEEK_END) < state.bytes:
            raise StoppedError(f"{file.name} is shorter than its checkpoint says: start anew with --restart")
        file.truncate(state.bytes)
        file.seek(state.bytes)

    def write(self, line: bytes) -> None:
        """Write one line."""
        self._members.write(line)
        self._unsaved_bytes += len(line)

    def record(self, reader: CollectionReader, documents: int) -> None:
        """Bring everything to the disk, once a second."""
        self._reader, self._documents = reader, documents
        if self._unsaved_bytes > _CHECKPOINT_BYTES or time.monotonic() - self._saved_at > _CHECKPOINT_SECONDS:
            self._save()

    def finish(self) -> None:
        """Bring the rest to the disk, and record that it was the rest."""
        if not self._state.complete:
            self._state.complete = True
            self._save()

    def _save(self) -> None:
        self._members.end()
        files.sync(self._file)
        state = self._state
        state.documents, state.bytes = self._documents, self._file.tell()
        if self._reader is not None and state.documents:
            state.last = b64encode(self._reader.last or b"").decode()
        checkpoint.write(self._checkpoint_path, state)
        self._unsaved_bytes, self._saved_at = 0, time.monotonic()
