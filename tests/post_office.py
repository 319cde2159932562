"""A mail server on 127.0.0.1, which keeps the letters that it takes."""

import asyncio
import datetime
import ipaddress
import ssl
import warnings
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any, NamedTuple, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from local.ports import LOOPBACK
from tests.issuer import RSA

USER, PASSWORD = "shop@mail.example", "planted-secret of the mail server / %"


class Taken(NamedTuple):
    """A letter as it arrived: from and to whom by its envelope, its bytes, how it came and with which greeting."""

    sender: str
    recipients: list[str]
    options: list[str]
    content: bytes
    over_tls: bool
    greeting: str

    @property
    def message(self) -> EmailMessage:
        message = BytesParser(EmailMessage, policy=SMTPUTF8).parsebytes(self.content)
        assert message.defects == []
        return message

    def part(self, kind: str) -> str:
        """Return the body of a kind, plain or html."""
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content())


class PostOffice:
    """Takes letters; `refuses` is its answer to every recipient, and each letter waits for `opened`."""

    def __init__(
        self, certificate: Path | None = None, *, at_once: bool = False, login: bool = False, utf8: bool = True
    ) -> None:
        self.letters: list[Taken] = []
        self.refuses = ""
        self.opened = asyncio.Event()
        self.opened.set()
        self.visitors = self.most_visitors = self.visits = 0
        self._login = login
        self._utf8 = utf8
        self._context = None if certificate is None else _context(certificate)
        self._at_once = at_once
        self.port = 0

    async def __aenter__(self) -> Self:
        context = self._context if self._at_once else None
        self._server = await asyncio.get_running_loop().create_server(self._visited, LOOPBACK, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.opened.set()
        self._server.close()
        self._server.close_clients()

    def _visited(self) -> SMTP:
        self.visits += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it does not know of TLS that is there at once
            return SMTP(
                self,
                hostname="mail.example",
                enable_SMTPUTF8=self._utf8,
                tls_context=None if self._at_once else self._context,
                require_starttls=self._context is not None and not self._at_once,
                auth_required=self._login,
                auth_require_tls=not self._at_once and self._context is not None,
                authenticator=_known,
                loop=asyncio.get_running_loop(),
            )

    async def handle_RCPT(  # noqa: N802  the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.visitors += 1
        self.most_visitors = max(self.most_visitors, self.visitors)
        await self.opened.wait()
        self.visitors -= 1
        assert isinstance(envelope.content, bytes)
        over_tls = session.ssl is not None or self._at_once
        sender = str(envelope.mail_from)
        taken = sender, envelope.rcpt_tos, envelope.mail_options, envelope.content, over_tls, str(session.host_name)
        self.letters.append(Taken(*taken))
        return "250 OK"


def _known(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


def certificate(folder: Path, *names: str, address: str = LOOPBACK) -> Path:
    """Write a certificate with its key for some names and an address; it vouches for itself."""
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    others = [*(x509.DNSName(each) for each in names), x509.IPAddress(ipaddress.ip_address(address))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(RSA.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(RSA.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(RSA.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=True, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(RSA, hashes.SHA256())
    )  # fmt: skip
    file = folder / "mail.pem"
    key = RSA.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key)
    return file


def _context(file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context
