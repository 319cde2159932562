"""Letters handed to a mail server by SMTP: encrypted, with a certificate that is verified, one connection for each."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from shared.errors import BadRequestError, Unavailable, UnavailableError
from shared.mail_server import MailServer

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_SECONDS = 10.0  # for a letter, with the time that it waits for a connection
_GOODBYE_SECONDS = 1.0
_MOST_AT_ONCE = 8  # connections of a process


class Letter(NamedTuple):
    """A mail to one address; `html` may be None."""

    address: str
    subject: str
    text: str
    html: str | None


class Post:
    """What hands letters to one mail server."""

    def __init__(self, server: MailServer) -> None:
        """Take the server; nothing is connected before the first letter."""
        self._server = server
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._context: ssl.SSLContext | None = None

    async def deliver(self, letter: Letter) -> None:
        """Hand a letter in; raise UnavailableError if the server does not take it in time.

        Raise BadRequestError for an address with letters that this server has no way to name.
        """
        needs_utf8 = not letter.address.isascii()
        async with self._connected() as client:
            if needs_utf8:
                await client.ehlo()  # what it can do, which it has not said yet where there is neither TLS nor login
                if not client.supports_extension("smtputf8"):
                    raise BadRequestError("email invalid: the mail server takes ASCII addresses only")
            options = ["SMTPUTF8"] if needs_utf8 else []
            content = encoded(letter, self._server)
            await client.sendmail(self._server.sender.address, [letter.address], content, mail_options=options)

    async def greet(self) -> str:
        """Connect, log in and leave again; return how the connection was protected. Raise as `deliver` does."""
        async with self._connected() as client:
            tls = client.get_transport_info("ssl_object")
            return "without TLS" if tls is None else f"by {tls.version()}"

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[SMTP]":
        from aiosmtplib import SMTPException  # noqa: PLC0415  only the process that sends mail pays for it

        try:
            async with asyncio.timeout(_SECONDS) as limit, self._places:
                client = self._client()
                try:
                    await client.connect()
                    yield client
                    limit.reschedule(None)  # the letter is taken, however the server takes leave
                    with suppress(SMTPException):
                        await client.quit(timeout=_GOODBYE_SECONDS)
                finally:
                    client.close()
        except (SMTPException, OSError, ValueError) as error:  # the texts may hold the address: the type is logged
            raise UnavailableError(Unavailable.NO_MAIL) from error

    def _client(self) -> "SMTP":
        from aiosmtplib import SMTP  # noqa: PLC0415

        server = self._server
        if server.tls != "none" and self._context is None:
            self._context = ssl.create_default_context(cafile=server.ca_file or None)
        return SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            local_hostname=server.sender.address.rpartition("@")[2],
            timeout=_SECONDS,
            use_tls=server.tls == "at once",
            start_tls=server.tls == "starttls",
            tls_context=self._context,
        )


def encoded(letter: Letter, server: MailServer) -> bytes:
    """Return the bytes of a letter, seven bits wide but for the address; headers hold no more than they are given."""
    from email.headerregistry import Address  # noqa: PLC0415  as aiosmtplib, imported by who sends mail
    from email.message import EmailMessage  # noqa: PLC0415
    from email.policy import SMTP  # noqa: PLC0415
    from email.utils import formatdate, make_msgid  # noqa: PLC0415

    local, _, domain = letter.address.rpartition("@")
    message = EmailMessage(SMTP.clone(utf8=not letter.address.isascii()))
    message["From"] = Address(server.sender.name, addr_spec=server.sender.address)
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = letter.subject
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=server.sender.address.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, cte="quoted-printable")
    if letter.html is not None:
        message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    return message.as_bytes(policy=message.policy.clone(max_line_length=998))  # no header is folded, so no address
