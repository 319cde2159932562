"""How an export resumes, and its files: the one it makes, the one that grows until then, and the checkpoint."""

import os
from pathlib import Path
from typing import IO

import msgspec

from admin.process import StoppedError
from admin.transfer import checkpoint, files, output_formats


class ExportOptions(msgspec.Struct, frozen=True):
    """What is exported, and how: a resumed export must have the same."""

    data_source: str
    namespace: str
    filter: str
    gzip: bool
    read_concern: str
    projection: str = "{}"
    format: output_formats.Name = "ndjson"
    fields: tuple[str, ...] = ()


class ExportCheckpoint(msgspec.Struct):
    """How far an export is: so many documents in so many bytes that are on the disk.

    `at` is the cluster time of a snapshot; `last` is the identity of the last document, as Base64.
    """

    options: ExportOptions = msgspec.field(name="wanted")
    at: tuple[int, int] | None = None
    documents: int = 0
    bytes: int = 0
    last: str | None = None
    complete: bool = False


class ExportFiles(msgspec.Struct, frozen=True):
    """Where the three files are."""

    target: Path
    part: Path
    checkpoint: Path

    @classmethod
    def of(cls, target: Path) -> "ExportFiles":
        """Name the files that stand beside the one that is to be made."""
        return cls(target, target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json"))

    def finished(self, options: ExportOptions) -> int | None:
        """Return the number of documents of an export that is complete and in its place, but for the checkpoint."""
        state = checkpoint.read(self.checkpoint, ExportCheckpoint)
        if state is None or not state.complete or state.options != options:
            return None
        return state.documents if self.target.exists() and not self.part.exists() else None

    def refuse_to_overwrite(self) -> None:
        """Raise StoppedError if the file is there already."""
        if self.target.exists():
            raise StoppedError(f"{self.target} exists already: remove it or name another file")

    def lock(self, part: IO[bytes]) -> None:
        """Hold the growing file; raise StoppedError if another process does or has just made it the finished one."""
        files.lock(part, str(self.target))
        if not self.part.exists() or not os.path.samestat(os.fstat(part.fileno()), self.part.stat()):
            raise StoppedError(f"another process was at work on {self.target}")

    def resumed(self, options: ExportOptions, resume: bool, restart: bool) -> ExportCheckpoint | None:
        """Return what to go on from; raise StoppedError if it is of another export, or is there without --resume."""
        state = None if restart else checkpoint.read(self.checkpoint, ExportCheckpoint)
        if state is None and not restart and self.part.stat().st_size:  # ours has a checkpoint before its first byte
            raise StoppedError(f"{self.part} is no part of an export: remove it, or write over it with --restart")
        if state is None or not (state.bytes or state.complete):  # there is nothing to lose
            return None
        if not resume:
            raise StoppedError(
                f"an export to {self.target} did not finish: go on with --resume, or start anew with --restart"
            )
        if state.options != options:
            raise StoppedError(f"{self.checkpoint} is of an export of something else: start anew with --restart")
        return state
