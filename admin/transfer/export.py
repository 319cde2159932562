"""`export`: a collection to a file, which a killed process leaves so that the next one goes on."""

import asyncio
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import typer
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from admin import namespace
from admin.namespace import DataSource, Namespace, RawCollection
from admin.options import parsed
from admin.output import AsJSON, counted, path_text, show_json
from admin.process import EXIT_CODES, WRONG_USAGE, StoppedError, fail, note, run
from admin.transfer import checkpoint, files, output_formats
from admin.transfer.export_checkpoint import ExportCheckpoint, ExportFiles, ExportOptions
from admin.transfer.progress import bar
from admin.transfer.reader import CollectionReader
from admin.transfer.sink import FileSink, PipeSink, Sink
from shared import turns
from shared.documents import ejson, tables
from shared.errors import InvalidParameterError
from shared.service import Service

_COUNT_MS = 5_000
_STDOUT = "-"

app = typer.Typer(add_completion=False)

Out = Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="The file to make; - is standard output.")]
Query = Annotated[str, typer.Option("--query", "--filter", metavar="EJSON", help="Which documents; all without it.")]
Projection = Annotated[
    str, typer.Option("--projection", metavar="EJSON", help="What of each document, beside _id; all without it.")
]
FormatName = Annotated[
    output_formats.Name,
    typer.Option("--format", help="json is an array, bson what mongorestore takes, csv for spreadsheets."),
]
Fields = Annotated[str, typer.Option("--fields", metavar="PATHS", help="The columns of CSV, with commas between.")]
Gzip = Annotated[bool, typer.Option("--gzip", help="Compress; a FILE that ends with .gz is compressed anyway.")]
Level = Annotated[
    Literal["majority", "snapshot"],
    typer.Option("--read-concern", help="snapshot: all documents of one moment; within five minutes on most servers."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a killed export of FILE stopped, if one did.")]
Restart = Annotated[bool, typer.Option("--restart", help="Forget what a killed export of FILE has written.")]


@app.command(epilog=EXIT_CODES)
def export(  # noqa: PLR0913  each is an option of the command line
    *,
    name: Namespace,
    out: Out,
    query: Query = "{}",
    projection: Projection = "{}",
    file_format: FormatName = "ndjson",
    fields: Fields = "",
    compress: Gzip = False,
    read_concern: Level = "majority",
    data_source: DataSource = namespace.DEFAULT,
    resume: Resume = False,
    restart: Restart = False,
    as_json: AsJSON = False,
) -> None:
    """Write a collection to a file: one document a line, in canonical Extended JSON, in the order of _id.

    But for CSV, every type comes back exactly with `import`. Memory stays the same however large the collection is.
    A killed export is gone on with by the same command and --resume; FILE appears when it is complete.
    """
    names = namespace.split(name)
    if out == _STDOUT and (as_json or resume or restart):
        raise fail("--json, --resume and --restart need a file", WRONG_USAGE)
    options = ExportOptions(
        data_source, name, query, compress or out.endswith(".gz"), read_concern,
        projection, file_format, _columns(file_format, fields),
    )  # fmt: skip
    chosen = parsed(ejson.document, "--query", query)
    work = Export(options, names, chosen, _kept(parsed(ejson.document, "--projection", projection)))
    interrupted = "interrupted" if out == _STDOUT else "interrupted; the same command with --resume goes on"
    if out == _STDOUT:
        count = run(lambda service: work.to_pipe(service, sys.stdout.buffer), endless=True, interrupted=interrupted)
    else:
        target = Path(out)
        count = run(
            lambda service: work.to_file(service, target, resume, restart), endless=True, interrupted=interrupted
        )
    if as_json:
        told = {"namespace": name, "out": path_text(out), "format": file_format}
        counts = {"documents": count, "resumed_behind": work.resumed_behind, "bytes": Path(out).stat().st_size}
        show_json(told | counts)
    else:
        behind = f", behind {counted(work.resumed_behind, 'document')} of before" if work.resumed_behind else ""
        note(f"{counted(count - work.resumed_behind, 'document')} of {name} exported{behind}")


def _columns(file_format: output_formats.Name, fields: str) -> tuple[str, ...]:
    """Return the columns; exit 2 if CSV has none, or another format has some."""
    columns = tuple(filter(None, (each.strip() for each in fields.split(","))))
    if bool(columns) != (file_format == "csv"):
        raise fail("--fields names the columns of --format csv, and only those", WRONG_USAGE)
    try:
        return tuple(tables.named(columns, {})) if columns else ()
    except InvalidParameterError as error:
        raise fail(f"--fields: {error}", WRONG_USAGE) from None


def _kept(projection: dict[str, Any]) -> dict[str, Any]:
    """Return a projection; exit 2 if it takes _id away or makes another of it: an export goes on behind the last."""
    if projection.get("_id", 1) != 1:
        raise fail("--projection: _id stays, because an export goes on by it", WRONG_USAGE)
    return projection


class Export:
    """One export; `names` are those of the database and the collection."""

    def __init__(
        self, options: ExportOptions, names: tuple[str, str], query: dict[str, Any], projection: dict[str, Any]
    ) -> None:
        self._options = options
        self._names = names
        self._query = query
        self._projection = projection
        self._format = output_formats.named(options.format, options.fields)
        self.resumed_behind = 0
        """How many documents earlier processes have exported."""

    async def to_pipe(self, service: Service, pipe: IO[bytes]) -> int:
        """Write to standard output and return the number of documents."""
        await self._refuse_what_is_no_collection(service)
        sink = PipeSink(pipe, self._options.gzip)
        documents = await self._write(service, sink, ExportCheckpoint(self._options, await self._cluster_time(service)))
        sink.finish()
        return documents

    async def to_file(self, service: Service, target: Path, resume: bool, restart: bool) -> int:
        """Write FILE.part and make it FILE when it is whole; return the number of documents in it."""
        paths = ExportFiles.of(target)
        if resume and (finished := paths.finished(self._options)) is not None:  # killed after the last step but one
            paths.checkpoint.unlink()
            self.resumed_behind = finished
            return finished
        paths.refuse_to_overwrite()
        await self._refuse_what_is_no_collection(service)
        with paths.part.open("ab") as file:
            paths.lock(file)
            state = paths.resumed(self._options, resume, restart)
            if state is None:
                state = ExportCheckpoint(self._options, await self._cluster_time(service))
                # before anything is cut off: an older one must not speak of it
                checkpoint.write(paths.checkpoint, state)
            self.resumed_behind = state.documents
            sink = FileSink(file, paths.checkpoint, state)
            await self._write(service, sink, state)
            sink.finish()
            files.replace(paths.part, target)
            paths.checkpoint.unlink()
        return state.documents

    async def _write(self, service: Service, sink: Sink, state: ExportCheckpoint) -> int:
        collection = namespace.collection(service, self._options.data_source, self._names)
        documents = state.documents
        if state.complete:
            return documents
        if not documents:
            sink.write(self._format.begin)
        reader = CollectionReader(
            collection,
            self._query,
            self._projection,
            Timestamp(*state.at) if state.at else None,
            b64decode(state.last) if state.last else None,
        )
        with bar(self._options.namespace, await self._total(collection), documents) as advance:
            ends = time.monotonic() + turns.SECONDS
            async for document in reader.documents():
                sink.write(self._format.encode(document, is_first=not documents))
                documents += 1
                if time.monotonic() >= ends:  # else the driver's monitors would take a busy process for a lost server
                    await asyncio.sleep(0)
                    ends = time.monotonic() + turns.SECONDS
                if documents % 64 == 0:
                    sink.record(reader, documents)
                    advance(documents, counted(documents, "document"))
        sink.write(self._format.end)
        sink.record(reader, documents)
        return documents

    async def _refuse_what_is_no_collection(self, service: Service) -> None:
        collection = namespace.collection(service, self._options.data_source, self._names)
        if not await namespace.refuse_all_but_collections(collection):
            raise StoppedError(f"there is no collection {collection.full_name}")

    async def _cluster_time(self, service: Service) -> tuple[int, int] | None:
        """Return the cluster time of now for a snapshot."""
        if self._options.read_concern != "snapshot":
            return None
        database = namespace.collection(service, self._options.data_source, self._names).database
        now = (await database.command("ping")).get("operationTime")
        if now is None:
            raise StoppedError("a snapshot needs a replica set")
        return now.time, now.inc

    async def _total(self, collection: RawCollection) -> int | None:
        """Return how many documents there are, for the bar; None where counting takes long."""
        if not sys.stderr.isatty():
            return None
        try:
            if self._query:
                return await collection.count_documents(self._query, hint="_id_", maxTimeMS=_COUNT_MS)
            return await collection.estimated_document_count(maxTimeMS=_COUNT_MS)
        except PyMongoError:
            return None
