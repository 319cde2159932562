"""What every one-off process does: run a coroutine, say failures in one sentence, exit with a code for scripts."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

import typer
from bson.errors import BSONError, InvalidId
from bson.objectid import ObjectId
from pymongo.errors import OperationFailure, PyMongoError
from rich.console import Console
from rich.markup import escape

from admin.console import PlainConsole
from shared.app.files import AppError
from shared.app.model import App
from shared.errors import DataAPIError, NoRuleError, UnavailableError, for_operators
from shared.mongo.deadlines import driver_call
from shared.mongo.refusals import translated
from shared.service import Service
from shared.settings import SettingsError
from shared.telemetry.reporting import Reporting

FAILED = 1
WRONG_USAGE = 2
DOCTOR = "dozen doctor looks at settings, MongoDB and rights, and says what is missing"
EXIT_CODES = "Exit codes: 0 done, 1 failed or problems found, 2 wrong usage or settings. More: docs/admin.md"


class NoSuchError(Exception):
    """What the command names does not exist."""


class StoppedError(Exception):
    """The command cannot go on; its message says why and what to do."""


def run[T](work: Callable[[Service], Awaitable[T]], *, endless: bool = False, interrupted: str = "interrupted") -> T:
    """Run to the end with a service of its own; exit 2 for a wrong setting, 1 for anything else that failed.

    All of it must end within MONGO_DB_TIMEOUT_MS, unless it is endless: such work limits its own calls.
    `interrupted` is the message when a signal ends it.
    """
    with _interrupted_by_signals():
        try:
            return asyncio.run(_with_service(work, endless))
        except SettingsError as error:
            raise fail(str(error), WRONG_USAGE) from None
        except KeyboardInterrupt:
            raise fail(interrupted) from None
        except BrokenPipeError:
            raise _pipe_closed() from None
        except (PyMongoError, BSONError) as error:
            raise _refused(translated(error), error) from None
        except DataAPIError as error:
            raise _refused(error, error.__cause__) from None
        except (AppError, NoSuchError, StoppedError) as error:
            raise fail(str(error)) from None
        except OSError as error:
            raise fail(_reason(error)) from None
        except UnicodeEncodeError:  # bytes of the command line, which Python passes on as surrogates
            raise fail("an argument is not valid UTF-8", WRONG_USAGE) from None


def output_failed(error: OSError) -> typer.Exit:
    """Print why standard output took no result, and return the exit to raise."""
    exit_ = fail(f"standard output: {_reason(error)}")
    _discard_output()
    return exit_


async def app_of(service: Service) -> App:
    """Return the exported app; raise NoSuchError if there is none."""
    if service.app is None:
        raise NoSuchError("there is no app: set APP_CONFIG_DIR")
    return service.app


def object_id(text: str, noun: str) -> ObjectId:
    """Return an id of the command line; exit 1 if it is none."""
    try:
        return ObjectId(text)
    except InvalidId:
        raise fail(f"{text!r} is not a {noun}'s id: those have 24 hexadecimal digits") from None


def fail(sentence: str, code: int = FAILED) -> typer.Exit:
    """Print a sentence on standard error and return the exit to raise."""
    _stderr().print(f"[bold red]error:[/] {escape(sentence)}", soft_wrap=True)
    return typer.Exit(code)


def _refused(error: Exception, cause: BaseException | None) -> typer.Exit:
    """Print what an action would reply, and where the deployment is at fault, which command tells more."""
    exit_ = fail(for_operators(error))
    is_away = type(error) is UnavailableError and error.cause is None
    if is_away or (isinstance(error, NoRuleError) and isinstance(cause, OperationFailure)):
        note(DOCTOR)
    return exit_


def note(sentence: str) -> None:
    """Print a sentence on standard error, where it is not mistaken for a result."""
    _stderr().print(escape(sentence), soft_wrap=True)


def is_interactive() -> bool:
    """Tell whether somebody at a terminal can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, agreed: bool) -> None:
    """Return if the operator agrees, by --yes or at a prompt; exit 2 where no terminal is."""
    if agreed:
        return
    if not is_interactive():
        raise fail("this needs --yes, because nobody can be asked here", WRONG_USAGE)
    if not typer.confirm(question, err=True):
        raise fail("nothing was changed")


def _stderr() -> Console:
    return PlainConsole(stderr=True, highlight=False)


async def _with_service[T](work: Callable[[Service], Awaitable[T]], endless: bool) -> T:
    service = Service.from_environ(Reporting())  # which is not started: a one-off process reports by itself
    try:
        if endless:
            return await work(service)
        with driver_call(service.settings.mongo_db_timeout_ms):
            return await work(service)
    finally:
        await service.close()


def _pipe_closed() -> typer.Exit:
    """Leave quietly: the reader of our pipe is gone."""
    _discard_output()
    return typer.Exit(FAILED)


def _discard_output() -> None:
    """Let what is buffered not fail once more at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does: at once, even while a pipe is read, with every `finally` run."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
