"""The texts of mails: the operator's in MAIL_TEMPLATES_DIR, else ours; checked when they are read."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple, get_args

from shared.auth.confirmations import Purpose
from shared.settings import SettingsError

LARGEST = 256 * 1024
_SUBJECT, _TEXT, _HTML = ".subject.txt", ".txt", ".html"
_IN_SUBJECTS = frozenset({"app", "email"})  # subjects are shown on locked screens and in logs
_IN_BODIES = _IN_SUBJECTS | {"url", "token", "token_id"}

_OURS: Mapping[str, str] = {
    "confirm.subject.txt": "Confirm your e-mail address",
    "confirm.txt": (
        "Hello,\n\nopen this page to confirm that $email is your address:\n\n$url\n\n"
        "The link works once, for 30 minutes. If you did not register, ignore this mail.\n"
    ),
    "confirm.html": (
        '<!DOCTYPE html>\n<html lang="en"><body>\n<p>Hello,</p>\n<p>confirm that $email is your address:</p>\n'
        '<p><a href="$url">Confirm the address</a></p>\n'
        "<p>The link works once, for 30 minutes. If you did not register, ignore this mail.</p>\n</body></html>\n"
    ),
    "reset.subject.txt": "Choose another password",
    "reset.txt": (
        "Hello,\n\nopen this page to choose another password for $email:\n\n$url\n\n"
        "The link works once, for 30 minutes. If you did not ask for it, ignore this mail: nothing has changed.\n"
    ),
    "reset.html": (
        '<!DOCTYPE html>\n<html lang="en"><body>\n<p>Hello,</p>\n<p>choose another password for $email:</p>\n'
        '<p><a href="$url">Choose a password</a></p>\n'
        "<p>The link works once, for 30 minutes. If you did not ask for it, ignore this mail: nothing has changed.</p>"
        "\n</body></html>\n"
    ),
}
NAMES = frozenset(_OURS)


class MailTemplates(NamedTuple):
    """What the mails for one purpose are made of; `subject` and `html` are None where there is none of their own."""

    subject: Template | None
    text: Template
    html: Template | None

    @property
    def links(self) -> bool:
        """Whether they need the app's page."""
        return any("url" in each.get_identifiers() for each in (self.text, self.html) if each is not None)

    def texts(self, values: Mapping[str, str]) -> tuple[str, str | None]:
        """Return the body as text and as HTML."""
        escaped = {name: escape(value) for name, value in values.items()}
        return self.text.substitute(values), None if self.html is None else self.html.substitute(escaped)

    def subject_of(self, purpose: Purpose, app_subject: str, values: Mapping[str, str]) -> str:
        """Return the subject on one line: of the operator's file, else the app's own, else ours."""
        own = self.subject.substitute(values) if self.subject is not None else app_subject
        shown = "".join(each if each.isprintable() else " " for each in own or _OURS[purpose + _SUBJECT])
        return " ".join(shown.split())


def read_templates(folder: str) -> Mapping[Purpose, MailTemplates]:
    """Return the templates for each purpose; raise SettingsError with the file that cannot be used, and why."""
    found = _files(Path(folder)) if folder else {}
    return {purpose: _of(purpose, found) for purpose in get_args(Purpose.__value__)}


def _of(purpose: Purpose, found: Mapping[str, str]) -> MailTemplates:
    if purpose + _HTML in found and purpose + _TEXT not in found:
        raise _wrong(purpose + _TEXT, f"is missing beside {purpose}{_HTML}: not every program shows HTML")
    bodies = found if purpose + _TEXT in found else _OURS
    text = _checked(purpose + _TEXT, bodies[purpose + _TEXT], _IN_BODIES)
    html = bodies.get(purpose + _HTML)
    subject = found.get(purpose + _SUBJECT)
    return MailTemplates(
        None if subject is None else _checked(purpose + _SUBJECT, subject, _IN_SUBJECTS),
        text,
        None if html is None else _checked(purpose + _HTML, html, _IN_BODIES),
    )


def _files(folder: Path) -> dict[str, str]:
    try:
        names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
        if unknown := sorted(set(names) - NAMES):
            raise _wrong(unknown[0], f"is not the name of a template: {', '.join(sorted(NAMES))}")
        return {name: _read(folder / name) for name in names}
    except OSError as error:
        raise SettingsError(f"MAIL_TEMPLATES_DIR cannot be read: {error.strerror}") from None


def _read(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > LARGEST:
        raise _wrong(path.name, f"is larger than {LARGEST} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(path.name, "is not UTF-8") from None


def _checked(name: str, content: str, allowed: frozenset[str]) -> Template:
    template = Template(content)
    if not template.is_valid():
        raise _wrong(name, "has a $ that begins no placeholder: write $$ for one")
    used = set(template.get_identifiers())
    if unknown := sorted(used - allowed):
        raise _wrong(name, f"has the placeholder ${unknown[0]}, but there are only ${', $'.join(sorted(allowed))}")
    if allowed == _IN_BODIES and "url" not in used and not {"token", "token_id"} <= used:
        raise _wrong(name, "has neither $url nor both $token and $token_id: nobody could do what the mail is for")
    if allowed == _IN_SUBJECTS and not content.strip():
        raise _wrong(name, "is empty")
    return template


def _wrong(name: str, reason: str) -> SettingsError:
    return SettingsError(f"MAIL_TEMPLATES_DIR: {name} {reason}")
