"""The collection that a command names: `--namespace db.collection --data-source name`."""

from typing import Annotated, Any

import typer
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from admin.process import WRONG_USAGE, StoppedError, fail
from shared.service import Service
from shared.settings import DEFAULT_DATA_SOURCE

Namespace = Annotated[str, typer.Option("--namespace", metavar="DB.COLLECTION", help="The collection.")]
DataSource = Annotated[str, typer.Option("--data-source", metavar="NAME", help="The data source.")]
DEFAULT = DEFAULT_DATA_SOURCE

type RawCollection = AsyncCollection[RawBSONDocument]

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",  # a stored name that is not UTF-8 must not stop a reader of raw documents
)
_OWN = frozenset({"admin", "config", "local"})


def split(namespace: str) -> tuple[str, str]:
    """Return database and collection; exit 2 if these are not two names, or MongoDB's own."""
    database, _, collection = namespace.partition(".")
    if not database or not collection:
        raise fail(
            f"--namespace takes a database and a collection, such as shop.orders, not {namespace!r}", WRONG_USAGE
        )
    if is_own(database) or collection.startswith("system."):
        raise fail(f"{namespace} is MongoDB's own", WRONG_USAGE)
    return database, collection


def is_own(database: str) -> bool:
    """Tell whether a database is MongoDB's own."""
    return database.lower() in _OWN


def collection(service: Service, data_source: str, namespace: tuple[str, str]) -> RawCollection:
    """Return the collection: documents as their bytes, of the primary, confirmed by a majority."""
    client: Any = service.clients.collection(data_source, *namespace).database.client
    database = client.get_database(
        namespace[0],
        codec_options=RAW,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority", j=True),
    )
    found: RawCollection = database[namespace[1]]
    return found


def changeable(service: Service, data_source: str, namespace: tuple[str, str]) -> RawCollection:
    """Return the collection for a command that changes it; raise StoppedError for one of the control database."""
    own = service.settings.dozen_database
    if namespace[0].lower() == own.lower():
        raise StoppedError(
            f"{own} is the service's own database: its keys, users and sessions are changed by `keys`, `users` and"
            " `sessions`, its indexes by `indexes create --control`"
        )
    return collection(service, data_source, namespace)


async def refuse_all_but_collections(target: RawCollection) -> bool:
    """Raise StoppedError for a view and for a time series: neither has an index on _id to go on from.

    Return whether there is a collection.
    """
    is_there = False
    async for found in await target.database.list_collections(
        filter={"name": target.name}, nameOnly=True, authorizedCollections=True
    ):
        if (kind := found["type"]) != "collection":
            raise StoppedError(f"{target.full_name} is a {kind}: only collections can be exported and imported")
        is_there = True
    return is_there
