"""`logins`: let in again who failed too often."""

from ipaddress import ip_address
from typing import Annotated

import typer

from admin.output import AsJSON, tell
from admin.process import EXIT_CODES, WRONG_USAGE, StoppedError, fail, note, run
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
    if address and not _is_address(address):
        raise fail(f"--address: {address!r} is no IP address, such as 203.0.113.7", WRONG_USAGE)
    is_known = run(lambda service: _unlock(service, email, address))
    whose = " and ".join(filter(None, (email, address)))
    told = {"email": email or None, "address": address or None, "within_seconds": UNLOCK_SECONDS}
    tell(f"failed logins of {whose} count anew within {UNLOCK_SECONDS:g} seconds", told, as_json=as_json)
    if not is_known:
        note(f"no user logs in by the address {email}, whose letters' case counts: was another meant?")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


async def _unlock(service: Service, email: str, address: str) -> bool:
    """Return whether the account, if one is named, is a user's: who has none can be locked out, too."""
    try:
        await service.limits.unlock(service.limits.locks(email, address))
    except AwayError:
        raise StoppedError("Valkey, which counts, cannot be reached: nothing was unlocked") from None
    return not email or await service.users.by_email(email) is not None
