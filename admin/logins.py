"""`logins`: let in again who failed too often."""

from typing import Annotated

import typer

from admin.output import AsJSON, tell
from admin.process import EXIT_CODES, WRONG_USAGE, StoppedError, fail, run
from shared.auth.limits import UNLOCK_SECONDS
from shared.cache.store import AwayError
from shared.service import Service

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

Email = Annotated[str, typer.Option("--email", "-e", help="Whose logins count anew; its letters' case counts.")]
Address = Annotated[str, typer.Option("--address", help="The IP address from which logins count anew.")]


@app.callback()
def main() -> None:
    """Make a group of the one command."""


@app.command(epilog=EXIT_CODES)
def unlock(email: Email = "", address: Address = "", as_json: AsJSON = False) -> None:
    """Count failed logins and resets anew, of an account, of an IP address or of both.

    Who tries too often again has to wait again.
    """
    if not email and not address:
        raise fail("say who is locked out: give --email, --address or both", WRONG_USAGE)
    run(lambda service: _unlock(service, email, address))
    whose = " and ".join(filter(None, (email, address)))
    told = {"email": email or None, "address": address or None, "within_seconds": UNLOCK_SECONDS}
    tell(f"failed logins of {whose} count anew within {UNLOCK_SECONDS:g} seconds", told, as_json=as_json)


async def _unlock(service: Service, email: str, address: str) -> None:
    try:
        await service.limits.unlock(service.limits.locks(email, address))
    except AwayError:
        raise StoppedError("Valkey, which counts, cannot be reached: nothing was unlocked") from None
