"""The mail server of MAIL_SMTP_URL, the sender of MAIL_FROM, and which addresses mail can be sent to (pure)."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

GOOGLE = frozenset({"gmail.com", "googlemail.com"})
"""Where Google's own mailboxes are."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS: Mapping[str, int] = {"smtp": 587, "smtps": 465}
_OPTIONS = frozenset({"starttls", "ca_file"})

# RFC 5321's dot-string and RFC 6531's letters: nobody has an address with what would have to be quoted.
# =? begins what a mail program decodes to something else
_LETTER = r"[^\x00-/:-@\[-`{-\x7f]"  # said by what is none of them: a range to the last letter is slow to compile
_INNER = r"[^\x00-,./:-@\[-`{-\x7f]"  # or a hyphen
_LOCAL = r'[^\x00- "(),:;<>@\[\\\]\x7f]'
_LABEL = f"{_LETTER}(?:{_INNER}*{_LETTER})?"
_ADDRESS = re.compile(rf"(?!.*=\?)(?P<local>{_LOCAL}+)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_LONGEST_ADDRESS, _LONGEST_LOCAL = 254, 64  # octets
_SENDER = re.compile(r"(?:(?P<name>[^<>\"\\]*?) *<)?(?P<address>[^<>\s]+)(?(name)>)")


class MailServerError(Exception):
    """A setting of mail cannot be used; the text names it and never its value."""


class Sender(NamedTuple):
    """Whom mail comes from: a name, which may be empty, and an address."""

    name: str
    address: str


class MailServer(NamedTuple):
    """Where mail is handed in, and how; the password is left out of its repr."""

    host: str
    port: int
    user: str
    password: str
    tls: Literal["at once", "starttls", "none"]
    ca_file: str
    sender: Sender

    def __repr__(self) -> str:
        """Name the place, never who logs in there."""
        return f"MailServer(host={self.host!r}, port={self.port}, tls={self.tls!r})"


def is_mailable(address: str) -> bool:
    """Tell whether an address is one that mail can be sent to: it is as it stands on the line of a mail server."""
    match = _ADDRESS.fullmatch(address) if address.isprintable() and len(address) <= _LONGEST_ADDRESS else None
    return (
        match is not None
        and len(address.encode()) <= _LONGEST_ADDRESS
        and len(match["local"].encode()) <= _LONGEST_LOCAL
        and _is_looked_up_as_it_is(match["domain"])
    )


def _is_looked_up_as_it_is(domain: str) -> bool:
    """Tell whether a domain has no letters that stand for others, such as wide ones, or for none."""
    try:
        return domain.isascii() or domain.encode("idna").decode("idna").lower() == domain.lower()
    except UnicodeError:
        return False


def mailbox(address: str) -> str:
    """Return one name for all addresses that reach a mailbox, as far as that is the same for everybody."""
    local, _, domain = unicodedata.normalize("NFKC", address).casefold().rpartition("@")
    local = local.partition("+")[0]
    return f"{local.replace('.', '')}@gmail.com" if domain in GOOGLE else f"{local}@{domain}"


def mail_server(url: str, sender: str) -> MailServer | None:
    """Return the server of both settings, None without the first; raise MailServerError for what cannot be used."""
    if not url:
        return None
    parts, options = _parts(url)
    host, tls = parts.hostname or "", _tls(parts, options)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise MailServerError("MAIL_SMTP_URL must have user and password, or neither")
    if user and tls == "none" and host not in _LOOPBACK:
        raise MailServerError("MAIL_SMTP_URL would send a password in clear: leave starttls=no out")
    port = parts.port or _PORTS[parts.scheme]
    return MailServer(host, port, user, password, tls, options.get("ca_file", ""), _sender(sender))


def _parts(url: str) -> tuple[SplitResult, dict[str, str]]:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises if it is none
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise MailServerError("MAIL_SMTP_URL is not usable: expected smtp://user:password@host:587") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise MailServerError("MAIL_SMTP_URL is not usable: expected smtp://user:password@host:587")
    if not options.keys() <= _OPTIONS:
        raise MailServerError(f"MAIL_SMTP_URL takes only the options {' and '.join(sorted(_OPTIONS))}")
    return parts, options


def _tls(parts: SplitResult, options: Mapping[str, str]) -> Literal["at once", "starttls", "none"]:
    wanted = options.get("starttls", "no" if parts.hostname in _LOOPBACK else "yes")
    if wanted not in ("yes", "no") or (parts.scheme == "smtps" and "starttls" in options):
        raise MailServerError("MAIL_SMTP_URL takes starttls=yes or starttls=no, and neither with smtps")
    if parts.scheme == "smtps":
        return "at once"
    return "starttls" if wanted == "yes" else "none"


def _sender(text: str) -> Sender:
    match = _SENDER.fullmatch(text.strip())
    name = (match["name"] or "") if match else ""
    if match is None or not match["address"].isascii() or not is_mailable(match["address"]) or not name.isprintable():
        raise MailServerError("MAIL_FROM must be an address such as Shop <noreply@shop.example>: mail needs a sender")
    return Sender(name, match["address"])
