"""What every one-off process does: run a coroutine, say failures in one sentence, exit with a code for scripts."""

import asyncio
from collections.abc import Awaitable, Callable

import typer
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.markup import escape

from shared import mongo
from shared.errors import DataAPIError
from shared.settings import SettingsError

FAILED = 1
WRONG_SETTING = 2

_errors = Console(stderr=True, highlight=False)


def run[T](work: Callable[[], Awaitable[T]]) -> T:
    """Run to the end and close the clients; exit 2 for a wrong setting, 1 for anything else that failed."""
    try:
        return asyncio.run(_closing(work))
    except SettingsError as error:
        raise fail(str(error), WRONG_SETTING) from None
    except (DataAPIError, PyMongoError) as error:
        raise fail(str(error), FAILED) from None


def fail(sentence: str, code: int = FAILED) -> typer.Exit:
    """Print a sentence on standard error and return the exit to raise."""
    _errors.print(f"[bold red]error:[/] {escape(sentence)}", soft_wrap=True)
    return typer.Exit(code)


async def _closing[T](work: Callable[[], Awaitable[T]]) -> T:
    try:
        async with mongo.driver_call():
            return await work()
    finally:
        await mongo.close()
