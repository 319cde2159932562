"""`sample`: load the sample data."""

from typing import Annotated, Any

import typer

from admin import namespace, sample
from admin.namespace import DataSource
from admin.output import AsJSON, counted, tell
from admin.process import EXIT_CODES, run
from shared.service import Service

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

Database = Annotated[
    str | None,
    typer.Option("--database", metavar="NAME", help="One database for all; else sample_films and sample_shop."),
]


@app.callback()
def main() -> None:
    """Make a group of the one command."""


@app.command(epilog=EXIT_CODES)
def load(database: Database = None, data_source: DataSource = namespace.DEFAULT, as_json: AsJSON = False) -> None:
    """Make the collections of the sample data that do not exist: films and a shop, with indexes.

    A collection that exists stays as it is, so a second load changes nothing.
    """
    if database is not None:
        namespace.split(f"{database}.films")
    count = run(lambda service: _load(service, data_source, database))
    names = [database] if database else [sample.FILMS, sample.SHOP]
    where = " and ".join(names)
    sentence = f"{counted(count, 'document')} loaded into {where}" if count else f"{where}: nothing is missing"
    tell(sentence, {"databases": names, "documents": count}, as_json=as_json)


async def _load(service: Service, data_source: str, database: str | None) -> int:
    client: Any = namespace.changeable(service, data_source, (database or sample.SHOP, "films")).database.client
    return await sample.load_missing(client, database)
