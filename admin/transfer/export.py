"""`export`: a collection to a file of lines, which a killed process leaves so that the next one goes on."""

import sys
from base64 import b64decode
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import typer
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from admin import namespace
from admin.namespace import DataSource, Namespace, RawCollection
from admin.output import AsJSON, show_json
from admin.process import WRONG_USAGE, StoppedError, fail, note, run
from admin.transfer import checkpoint, lines
from admin.transfer.progress import bar
from admin.transfer.reading import Reading
from admin.transfer.sink import Checkpoint, Files, Part, Pipe, Sink, Wanted
from shared.documents import ejson
from shared.errors import InvalidJSONError

_COUNT_MS = 5_000
_STDOUT = "-"

Out = Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="The file to make; - is standard output.")]
Filter = Annotated[str, typer.Option("--filter", metavar="EJSON", help="Which documents; all without it.")]
Gzip = Annotated[bool, typer.Option("--gzip", help="Compress; a FILE that ends with .gz is compressed anyway.")]
Level = Annotated[
    Literal["majority", "snapshot"],
    typer.Option("--read-concern", help="snapshot: all documents of one moment; within five minutes on most servers."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a killed export of FILE stopped, if one did.")]
Restart = Annotated[bool, typer.Option("--restart", help="Forget what a killed export of FILE has written.")]


def export(  # noqa: PLR0913  each is an option of the command line
    *,
    name: Namespace,
    out: Out,
    query: Filter = "{}",
    compress: Gzip = False,
    read_concern: Level = "majority",
    data_source: DataSource = namespace.DEFAULT,
    resume: Resume = False,
    restart: Restart = False,
    as_json: AsJSON = False,
) -> None:
    """Write a collection to a file: one document a line, in canonical Extended JSON, in the order of _id.

    Every type comes back exactly with `import`. Memory stays the same however large the collection is.
    A killed export is gone on with by the same command and --resume; FILE appears when it is complete.
    """
    names = namespace.split(name)
    if out == _STDOUT and (as_json or resume or restart):
        raise fail("--json, --resume and --restart need a file", WRONG_USAGE)
    wanted = Wanted(data_source, name, query, compress or out.endswith(".gz"), read_concern)
    work = Export(wanted, names, _parsed(query))
    interrupted = "interrupted" if out == _STDOUT else "interrupted; the same command with --resume goes on"
    if out == _STDOUT:
        count = run(lambda: work.to_pipe(sys.stdout.buffer), endless=True, interrupted=interrupted)
    else:
        target = Path(out)
        count = run(lambda: work.to_file(target, resume, restart), endless=True, interrupted=interrupted)
    if as_json:
        show_json({"namespace": name, "out": out, "documents": count, "bytes": Path(out).stat().st_size})
    else:
        note(f"{count} documents of {name} exported")


class Export:
    """One export."""

    def __init__(self, wanted: Wanted, names: tuple[str, str], query: dict[str, Any]) -> None:
        """Take what is exported."""
        self._wanted = wanted
        self._names = names
        self._query = query

    async def to_pipe(self, pipe: IO[bytes]) -> int:
        """Write to standard output and return the number of documents."""
        sink = Pipe(pipe, self._wanted.gzip)
        documents = await self._written(sink, Checkpoint(self._wanted, await self._moment()))
        sink.complete()
        return documents

    async def to_file(self, target: Path, resume: bool, restart: bool) -> int:
        """Write FILE.part and make it FILE when it is whole; return the number of documents in it."""
        files = Files.of(target)
        if resume and (finished := files.finished(self._wanted)) is not None:  # killed after the last step but one
            files.kept.unlink()
            return finished
        files.refuse_to_overwrite()
        with files.part.open("ab") as file:
            files.lock(file)
            state = files.state(self._wanted, resume, restart)
            if state is None:
                state = Checkpoint(self._wanted, await self._moment())
                checkpoint.write(files.kept, state)  # before anything is cut off: an older one must not speak of it
            sink = Part(file, files.kept, state)
            await self._written(sink, state)
            sink.complete()
            checkpoint.replace(files.part, target)
            files.kept.unlink()
        return state.documents

    async def _written(self, sink: Sink, state: Checkpoint) -> int:
        collection = namespace.collection(self._wanted.data_source, self._names)
        await namespace.refuse_all_but_collections(collection)
        documents = state.documents
        if state.complete:
            return documents
        reading = Reading(
            collection,
            self._query,
            Timestamp(*state.at) if state.at else None,
            b64decode(state.last) if state.last else None,
        )
        with bar(self._wanted.namespace, await self._total(collection), documents) as advance:
            async for document in reading.documents():
                sink.write(lines.written(document) + b"\n")
                documents += 1
                if documents % 64 == 0:
                    sink.keep(reading, documents)
                    advance(documents, f"{documents:,} documents")
        sink.keep(reading, documents)
        return documents

    async def _moment(self) -> tuple[int, int] | None:
        """Return the cluster time of now for a snapshot."""
        if self._wanted.read_concern != "snapshot":
            return None
        database = namespace.collection(self._wanted.data_source, self._names).database
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


def _parsed(query: str) -> dict[str, Any]:
    try:
        return ejson.document(query.encode(errors="surrogateescape"))
    except InvalidJSONError as error:
        raise fail(f"--filter: {error}", WRONG_USAGE) from None
