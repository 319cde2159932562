"""Mail to users: by a webhook, or by a mail server."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import orjson

from shared.admission import step_aside
from shared.app.exported import ExportedApp
from shared.auth.confirmations import Purpose
from shared.auth.mail_templates import MailTemplates, read_templates
from shared.auth.outgoing import Outgoing
from shared.auth.smtp import Letter, Post
from shared.errors import BadRequestError, Unavailable, UnavailableError
from shared.mail_server import is_mailable
from shared.settings import Settings, SettingsError

_SECONDS = 10


class Page(NamedTuple):
    """What the app says of a mail: the page that its link leads to, and its subject; both may be empty."""

    url: str
    subject: str


class Mail:
    """Sends tokens to users, if the deployment has a webhook or a mail server."""

    def __init__(self, settings: Settings, exported: ExportedApp) -> None:
        """Take where mail goes, and the app that it comes from."""
        self._webhook = settings.mail_webhook_url
        self._outgoing = Outgoing(Unavailable.NO_MAIL, _SECONDS)
        self.post = None if settings.mail_server is None else Post(settings.mail_server)
        self._folder = settings.mail_templates_dir
        self._exported = exported
        self._templates: Mapping[Purpose, MailTemplates] = {}

    def check(self) -> None:
        """Raise SettingsError if the templates cannot be used; without a mail server nobody needs them."""
        if self.post is not None and not self._templates:
            self._templates = read_templates(self._folder)

    @property
    def is_sent(self) -> bool:
        """Whether there is a webhook or a mail server."""
        return bool(self._webhook) or self.post is not None

    def refuse_unmailable(self, email: str) -> None:
        """Raise BadRequestError for a name that no mail server takes, whoever hands the mail to one."""
        if self.is_sent and not is_mailable(email):
            raise BadRequestError("email invalid: no mail can be sent to it")

    async def send(self, purpose: Purpose, email: str, token: tuple[str, str], page: Page) -> None:
        """Send a token and its id; without webhook and server they wait for an operator, who can print others.

        It is the last that a call does: a server that takes its time keeps no others from MongoDB.
        Raise UnavailableError if they are not taken, or a setting is wrong.
        """
        step_aside()
        text, token_id = token
        query = urlencode({"token": text, "tokenId": token_id})
        url = f"{page.url}{'&' if '?' in page.url else '?'}{query}" if page.url else ""
        if self._webhook:
            message = {"kind": purpose, "email": email, "token": text, "tokenId": token_id, "url": url}
            await self._outgoing.post(self._webhook, orjson.dumps(message))
        elif self.post is not None:
            values = {"email": email, "url": url, "token": text, "token_id": token_id, "app": self._app_name}
            await self.post.deliver(self._letter(purpose, page.subject, values))

    @property
    def _app_name(self) -> str:
        app = self._exported.app
        return (app.name if app else "") or self._exported.app_id

    def _letter(self, purpose: Purpose, app_subject: str, values: Mapping[str, str]) -> Letter:
        try:
            self.check()
        except SettingsError as error:
            raise UnavailableError(Unavailable.WRONG_SETTING, error) from error
        templates = self._templates[purpose]
        if templates.links and not values["url"]:
            raise UnavailableError(Unavailable.NO_MAIL, "the app names no page for the link")
        text, html = templates.texts(values)
        return Letter(values["email"], templates.subject_of(purpose, app_subject, values), text, html)
