"""`replay`: recorded calls of an old program, sent here and compared."""

import asyncio
import contextlib
import sys
from itertools import islice
from typing import Annotated, Any

import typer
from rich.markup import escape

from admin import text_lines
from admin.output import AsJSON, counted, show_json, show_table, start_table
from admin.process import EXIT_CODES, FAILED, WRONG_USAGE, fail, note, run
from admin.replay import recording
from admin.replay.copies import Copies
from admin.replay.differences import Difference, Known, compared
from admin.replay.plan import NotSentError, prepared
from admin.replay.recording import Ignored, Recorded
from admin.replay.report import MOST_SHOWN, Report
from admin.replay.sending import Reply, Sender, parsed
from shared.service import Service

app = typer.Typer(add_completion=False)

File = Annotated[str, typer.Argument(metavar="FILE", help="A HAR, or lines of JSON; compressed or not; - is stdin.")]
Url = Annotated[
    str | None, typer.Option("--url", help="Where to send the calls; http://127.0.0.1 with LISTEN_PORT without it.")
]
AppId = Annotated[str | None, typer.Option("--app", metavar="ID", help="The app's id there; APP_ID without it.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="The API key to call with.")]
KeyStdin = Annotated[bool, typer.Option("--key-stdin", help="Read that key from standard input.")]
AsRecorded = Annotated[bool, typer.Option("--as-recorded", help="Call with the credentials that were recorded.")]
Writes = Annotated[bool, typer.Option("--writes", help="Send all calls, to a copy of each database that they name.")]
Logins = Annotated[bool, typer.Option("--logins", help="With --as-recorded: send calls that log in, too.")]
Into = Annotated[str, typer.Option("--into", metavar="SUFFIX", help="What the name of a copy ends with.")]

_MOST_DIFFERENCES = 1_000


@app.command(epilog=EXIT_CODES)
def replay(  # noqa: PLR0913  each is an option of the command line
    file: File,
    *,
    url: Url = None,
    app_id: AppId = None,
    key: KeyOption = None,
    key_stdin: KeyStdin = False,
    as_recorded: AsRecorded = False,
    logins: Logins = False,
    writes: Writes = False,
    into: Into = "_replay",
    as_json: AsJSON = False,
) -> None:
    """Send recorded calls of an old program to this deployment, and compare the replies with the recorded ones.

    Only calls that read are sent, unless --writes: then all, to copies such as shop_replay. Exit 1 if replies differ.
    """
    if [key is not None, key_stdin, as_recorded].count(True) != 1:
        raise fail("give one of --key, --key-stdin and --as-recorded", WRONG_USAGE)
    if not into or (key_stdin and file == text_lines.STANDARD_INPUT):
        raise fail("--into needs a suffix, and standard input holds a key or a recording", WRONG_USAGE)
    secret = sys.stdin.readline().strip() if key_stdin else key
    report = Report()

    async def work(service: Service) -> list[str]:
        settings = service.settings
        where = url or f"http://127.0.0.1:{settings.listen_port}"
        sender = Sender(where, app_id or settings.app_id or "replay", secret, may_log_in=logins)
        copies = Copies(service, into) if writes else None
        with contextlib.closing(sender):
            await _replayed(file, sender, copies, into if writes else None, report)
        return [] if copies is None else copies.databases

    made = run(work, endless=True)
    if as_json:
        show_json({**report.described(), "copies": made})
    else:
        _show(report, made)
    if report.differ:
        raise typer.Exit(FAILED)


async def _replayed(file: str, sender: Sender, copies: Copies | None, suffix: str | None, report: Report) -> None:
    known = Known()
    with text_lines.opened(file) as source:
        for each in recording.read(source):
            if isinstance(each, Ignored):
                report.leave_out("(no call)", each.reason)
                continue
            try:
                found = await _differences(each, sender, copies, suffix, known)
            except NotSentError as error:
                report.leave_out(each.action, str(error))
            else:
                report.add(each, found)


async def _differences(
    recorded: Recorded, sender: Sender, copies: Copies | None, suffix: str | None, known: Known
) -> list[Difference]:
    body = known.translated(recorded.body.decode(errors="surrogateescape")).encode(errors="surrogateescape")
    call = prepared(recorded.action, body, suffix)
    sender.refuse(recorded.headers)
    if copies is not None:
        await copies.make(call.places)
    known.at = recorded.at
    reply = await asyncio.to_thread(
        sender.send, recorded.action, recorded.headers, call.body, may_repeat=not call.writes
    )
    return list(islice(_compared(recorded, reply, known), _MOST_DIFFERENCES))


def _compared(recorded: Recorded, reply: Reply, known: Known) -> Any:
    now = parsed(reply.body)
    if recorded.status // 100 != reply.status // 100 or (recorded.status != reply.status and reply.status >= 400):
        yield Difference("", "status", f"recorded {recorded.status}, now {reply.status}{_reason(now)}")
    elif recorded.reply is not None:
        before = parsed(recorded.reply)
        if reply.status >= 400:
            before, now = _code(before), _code(now)
        if recorded.status != reply.status:
            yield Difference("", "status", f"recorded {recorded.status}, now {reply.status}")
        yield from compared(before, now, known)


def _code(value: Any) -> Any:
    return {"error_code": value.get("error_code")} if isinstance(value, dict) else value


def _reason(now: Any) -> str:
    return f" {now['error_code']}: {now.get('error')}" if isinstance(now, dict) and "error_code" in now else ""


def _show(report: Report, made: list[str]) -> None:
    numbers = ("Calls", "Same", "Differ", "Not sent")
    table = start_table("Action", *numbers, elastic=("Action",), numbers=numbers)
    for name in report.actions:
        counts = report.same[name], report.differ[name], report.not_sent[name]
        table.add_row(escape(name), *(f"{count:,}" for count in (sum(counts), *counts)))
    show_table(table)
    if report.shown:
        typer.echo()
        table = start_table("Call", "Action", "Where", "What", elastic=("Where", "What"), numbers=("Call",))
        for number, action, each in report.shown:
            table.add_row(f"{number:,}", escape(action), escape(each.path or "-"), escape(each.sentence))
        show_table(table)
    for reason, count in report.reasons.most_common():
        note(f"not sent: {counted(count, 'call')}: {reason}")
    for name, count in report.volatile.most_common(10):
        note(f"no difference, as it is another each time: {name} ({counted(count, 'time')})")
    if len(report.shown) >= MOST_SHOWN:
        note(f"no more than {MOST_SHOWN} differences are shown")
    if made:
        note(f"copies stay until you drop them: {', '.join(made)}")
