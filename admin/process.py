"""What every one-off process does: run a coroutine, say failures in one sentence, exit with a code for scripts."""

import asyncio
from collections.abc import Awaitable, Callable

import typer
from bson.errors import InvalidId
from bson.objectid import ObjectId
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.markup import escape

from shared import cache, mongo
from shared.app import AppError
from shared.errors import DataAPIError
from shared.settings import SettingsError

FAILED = 1
WRONG_SETTING = 2


class NoSuchError(Exception):
    """What the command names does not exist."""


_errors = Console(stderr=True, highlight=False)


def run[T](work: Callable[[], Awaitable[T]]) -> T:
    """Run to the end and close the clients; exit 2 for a wrong setting, 1 for anything else that failed."""
    try:
        return asyncio.run(_closing(work))
    except SettingsError as error:
        raise fail(str(error), WRONG_SETTING) from None
    except (DataAPIError, PyMongoError, AppError, NoSuchError) as error:
        raise fail(str(error), FAILED) from None


def object_id(text: str, noun: str) -> ObjectId:
    """Return an id that was given on the command line; exit 1 if it is none."""
    try:
        return ObjectId(text)
    except InvalidId:
        raise fail(f"{text!r} is not a {noun}'s id: those have 24 hexadecimal digits") from None


def fail(sentence: str, code: int = FAILED) -> typer.Exit:
    """Print a sentence on standard error and return the exit to raise."""
    _errors.print(f"[bold red]error:[/] {escape(sentence)}", soft_wrap=True)
    return typer.Exit(code)


async def _closing[T](work: Callable[[], Awaitable[T]]) -> T:
    try:
        with mongo.driver_call():
            return await work()
    finally:
        await cache.close()
        await mongo.close()
