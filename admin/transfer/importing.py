"""`import`: a file of lines into a collection, which a killed process leaves so that the next one goes on."""

import asyncio
import hashlib
import os
import time
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Literal

import bson
import msgspec
import typer
from bson.objectid import ObjectId

from admin import namespace
from admin.namespace import DataSource, Namespace
from admin.output import AsJSON, counted, path_text, show_json
from admin.process import EXIT_CODES, WRONG_USAGE, StoppedError, fail, note, run
from admin.transfer import checkpoint, files, formats, lines
from admin.transfer.lines import LineError
from admin.transfer.progress import Advance, bar
from admin.transfer.source import Item, Mark, Source
from admin.transfer.writer import CollectionWriter, Counts, Entry, Failure, OnConflict
from shared import turns
from shared.documents import elements
from shared.service import Service

_BATCH_DOCUMENTS = 1_000
_BATCH_BYTES = lines.LARGEST
_STDIN = "-"

app = typer.Typer(add_completion=False)

In = Annotated[
    str, typer.Option("--in", "-i", metavar="FILE", help="The file, compressed or not; - is standard input.")
]
ConflictOption = Annotated[
    Literal["fail", "skip", "replace"],
    typer.Option(
        "--on-conflict", help="What happens to a document whose _id another has; an equal one is always left."
    ),
]
MaxErrors = Annotated[
    int, typer.Option("--max-errors", min=0, help="Go on over so many lines that cannot be stored; still exit 1.")
]
CheckpointPath = Annotated[
    Path | None, typer.Option("--checkpoint", metavar="PATH", help="The checkpoint's file; FILE.import without this.")
]
FormatName = Annotated[
    Literal["auto", "ndjson", "json", "csv", "bson"],
    typer.Option("--format", help="What the file is; auto tells by its content, and CSV by its name, too."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted import of FILE stopped, if any.")]
Restart = Annotated[bool, typer.Option("--restart", help="Forget what an interrupted import of FILE has done.")]


class ImportCheckpoint(msgspec.Struct):
    """How far an import is: what stands before `position` is confirmed; `seed` makes the ids of those without."""

    data_source: str
    namespace: str
    seed: str
    format: formats.Name = "ndjson"
    position: int = 0
    line: int = 0
    digest: str = hashlib.sha256().hexdigest()
    counts: Counts = msgspec.field(default_factory=Counts)
    complete: bool = False


@app.command("import", epilog=EXIT_CODES)
def import_(  # noqa: PLR0913  each is an option of the command line
    *,
    name: Namespace,
    path: In,
    file_format: FormatName = "auto",
    on_conflict: ConflictOption = "fail",
    max_errors: MaxErrors = 0,
    data_source: DataSource = namespace.DEFAULT,
    resume: Resume = False,
    restart: Restart = False,
    checkpoint_path: CheckpointPath = None,
    as_json: AsJSON = False,
) -> None:
    """Store the documents of a file: lines or an array of Extended JSON, CSV with types, or BSON of mongodump.

    Each is stored once, however often the import is killed and repeated, and confirmed by a majority.
    An interrupted import is gone on with by the same command and --resume.
    """
    names = namespace.split(name)
    if path == _STDIN and (resume or restart or checkpoint_path):
        raise fail(
            "--resume, --restart and --checkpoint need a file: import it again, equal documents are left", WRONG_USAGE
        )
    fresh = ImportCheckpoint(data_source, name, token_hex(16))
    work = Import(fresh, names, file_format, on_conflict, max_errors)
    if path == _STDIN:
        counts = run(work.of_pipe, endless=True, interrupted="interrupted; the same command goes on")
    else:
        source = Path(path)
        saved_in = checkpoint_path or source.with_name(f"{source.name}.import")
        interrupted = "interrupted; the same command with --resume goes on"
        counts = run(
            lambda service: work.of_file(service, source, saved_in, resume, restart),
            endless=True,
            interrupted=interrupted,
        )
    if as_json:
        told = {"namespace": name, "in": path_text(path), "format": work.format, "resumed_behind": work.resumed_behind}
        show_json(told | msgspec.structs.asdict(counts))
    note(
        f"{counted(counts.total, 'document')} for {name}, read as {work.format}: {counts.inserted} inserted,"
        f" {counts.replaced} replaced, {counts.skipped} skipped, {counts.unchanged} there already,"
        f" {counts.failed} failed"
    )
    if counts.failed:
        raise typer.Exit(1)


class Import:
    """One import, from where `state` says; `names` are those of the database and the collection."""

    def __init__(
        self,
        state: ImportCheckpoint,
        names: tuple[str, str],
        file_format: Literal["auto"] | formats.Name,
        on_conflict: OnConflict,
        max_errors: int,
    ) -> None:
        self._state = state
        self._names = names
        self._asked: Literal["auto"] | formats.Name = file_format
        self.resumed_behind = 0
        """How many lines, rows or documents of the file earlier processes were done with."""
        self._on_conflict = on_conflict
        self._max_errors = max_errors
        self._checkpoint_path: Path | None = None

    @property
    def format(self) -> str:
        """What the file was read as."""
        return self._format.name

    def _begin(self, source: Source, path: str) -> Source:
        """Read what stands before the first document; raise StoppedError if the file is not what it is said to be."""
        name = formats.detected(source, path) if self._asked == "auto" else self._asked
        self._state.format = name
        self._format = formats.named(name, source)
        return source

    async def of_pipe(self, service: Service) -> Counts:
        """Import standard input: documents need an _id, or a repeated import would double them."""
        with os.fdopen(os.dup(0), "rb") as pipe:
            return await self._import(service, self._begin(Source(pipe), ""), None)

    async def of_file(self, service: Service, path: Path, checkpoint_path: Path, resume: bool, restart: bool) -> Counts:
        """Import a file, from where an earlier process was."""
        with path.open("rb") as file:
            files.lock(file, str(path))
            before = None if restart else checkpoint.read(checkpoint_path, ImportCheckpoint)
            source = self._begin(Source(file), path.name)
            if before is not None:
                source = self._resumed(file, source, before, resume)
            self._checkpoint_path = checkpoint_path
            checkpoint.write(checkpoint_path, self._state)  # the seed first: ids that are made of it must be made again
            return await self._import(service, source, os.fstat(file.fileno()).st_size)

    def _resumed(self, file: BufferedReader, source: Source, before: ImportCheckpoint, resume: bool) -> Source:
        if before.complete and not resume:
            return source
        if not resume:
            raise StoppedError(
                "an import of this file was interrupted: go on with --resume, or start anew with --restart"
            )
        if (before.data_source, before.namespace) != (self._state.data_source, self._state.namespace):
            raise StoppedError(
                f"this file was imported into {before.namespace}: give --restart or another --checkpoint"
            )
        if before.format == self._state.format and source.skip(before.position, before.line, before.digest):
            self._state = before
            self.resumed_behind = before.line
            if before.line:
                note(f"resumed behind {self._format.noun} {before.line:,}")
            self._state.complete = False  # lines may follow: until they are stored, only --resume goes on
            return source
        if not before.complete:
            raise StoppedError("this is not the file whose import was interrupted: start anew with --restart")
        file.seek(0)  # a new file under the name of one that was imported whole
        return self._begin(Source(file), file.name)

    async def _import(self, service: Service, source: Source, size: int | None) -> Counts:
        collection = namespace.changeable(service, self._state.data_source, self._names)
        await namespace.refuse_all_but_collections(collection)
        before = msgspec.structs.replace(self._state.counts)
        writer = CollectionWriter(collection, self._on_conflict, self._state.counts)
        with bar(self._state.namespace, size, source.bytes_read, in_bytes=True) as advance:
            await self._write_batches(service, source, writer, advance)
        self._state.complete = True
        self._save(source.mark)
        return self._state.counts.since(before)

    async def _write_batches(
        self, service: Service, source: Source, writer: CollectionWriter, advance: Advance
    ) -> None:
        batch: list[Entry] = []
        size = 0
        ends = time.monotonic() + turns.SECONDS
        for line in source.items(self._format.read):
            if time.monotonic() >= ends:  # else the driver's monitors would take a busy process for a lost connection
                await asyncio.sleep(0)
                ends = time.monotonic() + turns.SECONDS
            try:
                entry = self._entry(line)
            except LineError as error:
                await self._write(service, writer, batch)
                batch, size = [], 0
                self._save(source.before)
                self._state.counts.failed += 1
                self._report([Failure(line.number, str(error))])
                continue
            batch.append(entry)
            size += len(entry.document)
            if len(batch) >= _BATCH_DOCUMENTS or size >= _BATCH_BYTES:
                await self._write(service, writer, batch)
                batch, size = [], 0
                self._save(source.mark)
                advance(source.bytes_read, counted(self._state.counts.total, "document"))
        await self._write(service, writer, batch)

    async def _write(self, service: Service, writer: CollectionWriter, batch: list[Entry]) -> None:
        if not batch:
            return
        try:
            failures = await writer.write(batch)
        finally:
            await service.generations.invalidate_if_cached(self._state.namespace)
        self._report(failures)

    def _report(self, failures: list[Failure]) -> None:
        """Name the lines that failed; raise StoppedError if they are too many: the checkpoint stays before them."""
        for failure in failures:
            note(f"{self._format.noun} {failure.line}: {failure.reason}")
        noun = self._format.noun
        if self._state.counts.failed > self._max_errors:
            raise StoppedError(
                f"stopped at {noun} {failures[-1].line}; all before {noun} {failures[0].line} is stored"
                if failures
                else f"an earlier {noun} failed"
            )

    def _entry(self, line: Item) -> Entry:
        document = self._format.decode(line)
        identity = elements.identity(document)
        if identity is None:
            identity = bson.encode({"_id": self._made_id(line)})
            document = elements.with_identity(identity, document)
        return Entry(line.number, document, identity)

    def _made_id(self, line: Item) -> ObjectId:
        """Make the id of a document that has none: the same one when the line is imported again after a kill."""
        if self._checkpoint_path is None:
            raise LineError("a document from standard input needs an _id: import a file, which can be gone on with")
        return ObjectId(
            hashlib.sha256(b"%b %d %b" % (self._state.seed.encode(), line.number, line.text.strip())).digest()[:12]
        )

    def _save(self, mark: Mark) -> None:
        if self._checkpoint_path is None:
            return
        state = self._state
        state.position, state.line, state.digest = mark.position, mark.number, mark.hash.hexdigest()
        checkpoint.write(self._checkpoint_path, state)
