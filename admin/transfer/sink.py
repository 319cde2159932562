"""Where an export's lines go: a pipe, or a file that grows with a checkpoint beside it."""

import os
import time
import zlib
from base64 import b64encode
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from admin.process import StoppedError
from admin.transfer import checkpoint
from admin.transfer.reader import Reading

_GZIP_FORMAT = 31
_APART_SECONDS = 1.0
_APART_BYTES = 8 * 1024 * 1024


class Wanted(msgspec.Struct, frozen=True):
    """What is exported: a resumed export must want the same."""

    data_source: str
    namespace: str
    filter: str
    gzip: bool
    read_concern: str


class Checkpoint(msgspec.Struct):
    """How far an export is: so many documents in so many bytes that are on the disk, `last` the last one's identity."""

    wanted: Wanted
    at: tuple[int, int] | None = None
    documents: int = 0
    bytes: int = 0
    last: str | None = None
    complete: bool = False


class Files(msgspec.Struct, frozen=True):
    """The file that is wanted, the one that grows, and the checkpoint."""

    target: Path
    part: Path
    kept: Path

    @classmethod
    def of(cls, target: Path) -> "Files":
        """Name the files that stand beside the one that is wanted."""
        return cls(target, target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json"))

    def finished(self, wanted: Wanted) -> int | None:
        """Return the number of documents of an export that is complete and in its place, but for the checkpoint."""
        state = checkpoint.read(self.kept, Checkpoint)
        if state is None or not state.complete or state.wanted != wanted:
            return None
        return state.documents if self.target.exists() and not self.part.exists() else None

    def refuse_to_overwrite(self) -> None:
        """Raise StoppedError if the file is there already."""
        if self.target.exists():
            raise StoppedError(f"{self.target} exists already: remove it or name another file")

    def lock(self, part: IO[bytes]) -> None:
        """Hold the growing file; raise StoppedError if another process does or has just made it the wanted one."""
        checkpoint.lock(part, str(self.target))
        if not self.part.exists() or not os.path.samestat(os.fstat(part.fileno()), self.part.stat()):
            raise StoppedError(f"another process was at work on {self.target}")

    def state(self, wanted: Wanted, resume: bool, restart: bool) -> Checkpoint | None:
        """Return what to go on from; raise StoppedError if that is something else or was not asked for."""
        state = None if restart else checkpoint.read(self.kept, Checkpoint)
        if state is None and not restart and self.part.stat().st_size:  # ours has a checkpoint before its first byte
            raise StoppedError(f"{self.part} is no part of an export: remove it, or write over it with --restart")
        if state is None or not (state.bytes or state.complete):  # there is nothing to lose
            return None
        if not resume:
            raise StoppedError(
                f"an export to {self.target} was interrupted: go on with --resume, or start anew with --restart"
            )
        if state.wanted != wanted:
            raise StoppedError(f"{self.kept} is of an export of something else: start anew with --restart")
        return state


class Sink(Protocol):
    """Where the lines go."""

    def write(self, line: bytes) -> None:
        """Take one line."""

    def keep(self, reading: Reading, documents: int) -> None:
        """Take note that so many documents are written; cheap when it was just called."""

    def complete(self) -> None:
        """Take note that these were all."""


class Members:
    """Lines as members of a gzip file, one behind the other, or as they are."""

    def __init__(self, out: IO[bytes], compressed: bool) -> None:
        """Take where they go."""
        self._out = out
        self._compressed = compressed
        self._member: Any = None

    def write(self, line: bytes) -> None:
        """Write one line."""
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


class Pipe:
    """Standard output: nothing to go on from."""

    def __init__(self, out: IO[bytes], compressed: bool) -> None:
        """Take the pipe."""
        self._out = out
        self._members = Members(out, compressed)

    def write(self, line: bytes) -> None:
        """Write one line."""
        self._members.write(line)

    def keep(self, reading: Reading, documents: int) -> None:
        """Nothing can be kept."""

    def complete(self) -> None:
        """Write the rest."""
        self._members.end()
        self._out.flush()


class Part:
    """The file that grows, and its checkpoint: what stands behind the checkpoint is cut off and read again."""

    def __init__(self, file: IO[bytes], kept: Path, state: Checkpoint) -> None:
        """Take the file at any length and cut it to where the checkpoint says that whole lines are on the disk."""
        self._file = file
        self._kept = kept
        self._state = state
        self._members = Members(file, state.wanted.gzip)
        self._reading: Reading | None = None
        self._documents = state.documents
        self._since = 0
        self._at = time.monotonic()
        if file.seek(0, os.SEEK_END) < state.bytes:
            raise StoppedError(f"{file.name} is shorter than its checkpoint says: start anew with --restart")
        file.truncate(state.bytes)
        file.seek(state.bytes)

    def write(self, line: bytes) -> None:
        """Write one line."""
        self._members.write(line)
        self._since += len(line)

    def keep(self, reading: Reading, documents: int) -> None:
        """Bring everything to the disk, once a second."""
        self._reading, self._documents = reading, documents
        if self._since > _APART_BYTES or time.monotonic() - self._at > _APART_SECONDS:
            self._keep()

    def complete(self) -> None:
        """Bring the rest to the disk, and say that it was the rest."""
        if not self._state.complete:
            self._state.complete = True
            self._keep()

    def _keep(self) -> None:
        self._members.end()
        checkpoint.sync(self._file)
        state = self._state
        state.documents, state.bytes = self._documents, self._file.tell()
        if self._reading is not None and state.documents:
            state.last = b64encode(self._reading.last or b"").decode()
        checkpoint.write(self._kept, state)
        self._since, self._at = 0, time.monotonic()
