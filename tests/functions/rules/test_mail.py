"""Mail by SMTP: what is sent, how it is protected, what happens when the mail server does not take it."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from local.mongod import Mongod
from local.ports import LOOPBACK, free_port
from shared.auth import smtp
from shared.auth.mail import Mail, Page
from shared.errors import UnavailableError
from shared.openapi import client
from shared.service import process
from tests.conftest import errors_only, restart
from tests.depth import HOSTS
from tests.functions.rules.conftest import CLIENT, SETTINGS, Known, send
from tests.functions.rules.test_sessions import LOGIN
from tests.hosts import ROOT, Answer, Host, Server, Worker, eventually
from tests.post_office import PASSWORD, USER, PostOffice, certificate

USERPASS = f"{LOGIN}/local-userpass"
ADDRESS = "ann@shop.example"
CONFIG = {
    "autoConfirm": False,
    "emailConfirmationUrl": "https://shop.example/confirm",
    "resetPasswordUrl": "https://shop.example/reset?lang=de",
    "confirmEmailSubject": "Willkommen, bitte bestätigen",
}
TOKEN = ("planted-token-of-a-mail", "65a1b2c3d4e5f60718293a4b")


def write_app(folder: Path, **config: Any) -> Path:
    """Copy the app of the tests, whose addresses have to be confirmed."""
    copied = Path(shutil.copytree(ROOT / "tests" / "apps" / "shop", folder / "shop"))
    file = copied / "auth" / "providers.json"
    provider = {"local-userpass": {"type": "local-userpass", "config": CONFIG | config}}
    file.write_text(json.dumps(json.loads(file.read_text()) | provider))
    return copied


def settings_of(app: Path, url: str) -> dict[str, str]:
    return SETTINGS | {"APP_CONFIG_DIR": str(app), "MAIL_SMTP_URL": url, "MAIL_FROM": "Läden <noreply@shop.example>"}


@pytest.fixture(scope="module")
async def shared_office() -> AsyncIterator[PostOffice]:
    async with PostOffice() as running:
        yield running


@pytest.fixture(scope="module")
def shared_settings(shared_office: PostOffice, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return settings_of(write_app(tmp_path_factory.mktemp("mail")), f"smtp://{LOOPBACK}:{shared_office.port}")


@pytest.fixture(scope="module")
async def mail_server(
    mongod: Mongod, shared_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    log = tmp_path_factory.mktemp("mail-server") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, **shared_settings) as running:
        yield running


@pytest.fixture(params=HOSTS)
def app_host(
    request: pytest.FixtureRequest, configured: pytest.MonkeyPatch, shared_settings: dict[str, str], users: None
) -> Host:
    """Each host in turn, with a mail server."""
    if request.param == "server":
        server: Server = request.getfixturevalue("mail_server")
        return server
    for name, value in shared_settings.items():
        configured.setenv(name, value)
    worker: Worker = request.getfixturevalue("worker")
    return worker


@pytest.fixture
def configure(configured: pytest.MonkeyPatch, worker: Worker, users: None, tmp_path: Path) -> Any:
    """Have the worker send mail to an address, with other members of the provider's config, and other settings."""
    app = write_app(tmp_path)

    def configure(url: str, config: dict[str, Any] | None = None, **env: str) -> Mail:
        file = app / "auth" / "providers.json"
        provider = {"local-userpass": {"type": "local-userpass", "config": CONFIG | (config or {})}}
        file.write_text(json.dumps(json.loads(file.read_text()) | provider))
        for name, value in (settings_of(app, url) | env).items():
            configured.setenv(name, value)
        restart()
        return process.service().mail

    return configure


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    """A mail server that wants neither TLS nor a login."""
    async with PostOffice() as running:
        yield running


def url_of(office: PostOffice, options: str = "", *, login: bool = False, scheme: str = "smtp") -> str:
    who = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@" if login else ""
    return f"{scheme}://{who}{LOOPBACK}:{office.port}{options}"


def link_in(text: str) -> dict[str, str]:
    (url,) = re.findall(r"https://\S+", text)
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


async def answered(value: bool) -> bool:
    return value


async def register(host: Host, email: str = ADDRESS) -> Any:
    return await send(host, "POST", f"{USERPASS}/register", {"email": email, "password": "secret words"})


async def test_an_address_is_confirmed_and_a_password_reset_by_mail(app_host: Host, shared_office: PostOffice) -> None:
    letters = shared_office.letters
    letters.clear()
    login = {"username": ADDRESS, "password": "other words"}

    made = await register(app_host)
    await send(app_host, "POST", f"{USERPASS}/confirm/send", {"email": ADDRESS})
    first, second = (link_in(letter.part("plain")) for letter in letters)
    old = await send(app_host, "POST", f"{USERPASS}/confirm", first)
    confirmed = await send(app_host, "POST", f"{USERPASS}/confirm", second)
    await send(app_host, "POST", f"{USERPASS}/reset/send", {"email": ADDRESS})
    link = link_in(letters[2].part("plain"))
    language = link.pop("lang")
    done = await send(app_host, "POST", f"{USERPASS}/reset", link | {"password": "other words"})
    logged_in = await send(app_host, "POST", f"{USERPASS}/login", login)

    assert (made.status, old.status, confirmed.status, done.status) == (201, 400, 200, 200)
    assert (logged_in.status, language) == (200, "de")
    assert {each.headers["content-type"] for each in (made, confirmed, done)} == {"application/json"}
    assert {each.body for each in (made, confirmed, done)} == {b"{}"}
    assert [(each.sender, each.recipients) for each in letters] == [("noreply@shop.example", [ADDRESS])] * 3


async def test_the_bytes_of_a_letter(configure: Any, office: PostOffice, worker: Worker) -> None:
    configure(url_of(office))

    await register(worker, 'o\'hara+<b>&"x"@shop.example'.replace('<b>&"x"', "b&{x}"))
    (letter,) = office.letters
    message, html = letter.message, letter.part("html")

    assert letter.greeting == "shop.example"
    assert letter.content.isascii()
    assert max(map(len, letter.content.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 78
    assert b"\n" not in letter.content.replace(b"\r\n", b"")
    assert message["From"] == "Läden <noreply@shop.example>"
    assert message["To"] == "o'hara+b&{x}@shop.example"
    assert message["Subject"] == "Willkommen, bitte bestätigen"
    assert (message["Auto-Submitted"], message["MIME-Version"]) == ("auto-generated", "1.0")
    assert message["Message-ID"].endswith("@shop.example>")
    assert message["Date"].datetime.utcoffset() == timedelta()
    assert message.get_content_type() == "multipart/alternative"
    assert "o&#x27;hara+b&amp;{x}@shop.example" in html
    assert re.search(r'href="https://shop\.example/confirm\?token=\w+&amp;tokenId=\w+"', html)


@pytest.mark.parametrize(
    "email",
    ["a,b@c.d", "<a@b", "a@b>", "a@b,c", "a(x)@b", '"a"@b', "a\\@b", "a@[127.0.0.1]", "a@b_c.d", "a@-b.c", "a@b..c",
     "x" * 65 + "@b.c", "a@" + "b" * 253, "ü" * 33 + "@b.c", "no address", "a;b@c"],
)  # fmt: skip
async def test_what_a_mail_server_would_read_otherwise_is_no_address(
    configure: Any, office: PostOffice, worker: Worker, email: str, driver: Any
) -> None:
    configure(url_of(office))

    answer = await register(worker, email)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "BadRequest")
    assert errors_only(answer)["error"].startswith("email invalid")
    assert (office.visits, await driver.dozen.users.count_documents({})) == (0, 0)


@pytest.mark.parametrize("email", ["jörg@läden.example", "用户@例子.广告", "a@läden.example"])
async def test_an_address_in_any_script(configure: Any, office: PostOffice, worker: Worker, email: str) -> None:
    configure(url_of(office))

    made = await register(worker, email)
    (letter,) = office.letters

    assert made.status == 201
    assert (letter.recipients, letter.message["To"]) == ([email], email)
    assert "SMTPUTF8" in letter.options


async def test_a_server_that_knows_no_other_scripts(configure: Any, worker: Worker) -> None:
    async with PostOffice(utf8=False) as office:
        configure(url_of(office))
        refused, plain = await register(worker, "jörg@shop.example"), await register(worker)

    assert (refused.status, plain.status) == (400, 201)
    assert errors_only(refused)["error"] == "email invalid: the mail server takes ASCII addresses only"
    assert len(office.letters) == 1


async def test_who_has_a_name_that_is_no_address_gets_no_mail(
    configure: Any, office: PostOffice, worker: Worker
) -> None:
    configure(url_of(office), {"autoConfirm": True})

    made = await register(worker, "asdavaskljj")
    reset = await send(worker, "POST", f"{USERPASS}/reset/send", {"email": "asdavaskljj"})

    assert (made.status, reset.status) == (201, 400)
    assert errors_only(reset)["error"] == "email invalid: no mail can be sent to it"
    assert office.visits == 0


async def test_an_app_that_confirms_by_itself_sends_nothing(configure: Any, office: PostOffice, worker: Worker) -> None:
    configure(url_of(office), {"autoConfirm": True})

    assert (await register(worker)).status == 201
    assert office.visits == 0


@pytest.mark.parametrize(
    ("scheme", "options", "at_once"),
    [("smtp", "?starttls=yes&ca_file={file}", False), ("smtps", "?ca_file={file}", True)],
    ids=["STARTTLS", "TLS at once"],
)
async def test_a_password_goes_by_tls(
    configure: Any, worker: Worker, tmp_path: Path, scheme: str, options: str, at_once: bool
) -> None:
    file = certificate(tmp_path)
    async with PostOffice(file, at_once=at_once, login=True) as office:
        mail = configure(url_of(office, options.format(file=file), login=True, scheme=scheme))
        made = await register(worker)
        protected = await mail.post.greet()

    assert made.status == 201
    assert [letter.over_tls for letter in office.letters] == [True]
    assert protected == "by TLSv1.3"


async def refusal(mail: Mail, address: str = ADDRESS) -> str:
    """Return the name of the cause for which a letter is not taken."""
    with pytest.raises(UnavailableError, match="the mail cannot be sent now") as caught:
        await mail.send("reset", address, TOKEN, Page("https://shop.example/reset", ""))
    return type(caught.value.__cause__).__name__


async def test_a_certificate_of_somebody_else_gets_no_letter(configure: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    unknown, other = certificate(tmp_path), certificate(tmp_path / "other", "mail.example", address="10.0.0.1")
    async with PostOffice(unknown, login=True) as office, PostOffice(other, login=True) as impostor:
        causes = [
            await refusal(configure(url_of(office, "?starttls=yes", login=True))),
            await refusal(configure(url_of(impostor, f"?starttls=yes&ca_file={other}", login=True))),
            await refusal(configure(url_of(office, f"?starttls=yes&ca_file={tmp_path}/none", login=True))),
        ]

    assert causes == ["SSLCertVerificationError", "SSLCertVerificationError", "FileNotFoundError"]
    assert office.letters == impostor.letters == []


async def test_a_server_without_starttls_gets_no_letter_where_it_is_asked_for(
    configure: Any, office: PostOffice
) -> None:
    assert await refusal(configure(url_of(office, "?starttls=yes"))) == "SMTPException"
    assert office.letters == []


async def test_a_wrong_password_of_the_deployment(configure: Any, tmp_path: Path) -> None:
    file = certificate(tmp_path)
    async with PostOffice(file, login=True) as office:
        right = url_of(office, f"?starttls=yes&ca_file={file}", login=True)
        cause = await refusal(configure(right.replace(quote(PASSWORD, safe=""), "planted-other-secret")))

    assert cause == "SMTPAuthenticationError"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("550 5.1.1 no such user: ann@shop.example", "SMTPRecipientsRefused"),
        ("451 4.7.1 greylisted, ann@shop.example", "SMTPRecipientsRefused"),
        ("421 4.3.2 closing", "SMTPRecipientsRefused"),
    ],
)
async def test_a_letter_that_is_refused(configure: Any, office: PostOffice, answer: str, cause: str) -> None:
    office.refuses = answer

    assert await refusal(configure(url_of(office))) == cause


async def test_a_mail_server_that_is_away_is_told_and_logged_without_the_address(
    configure: Any, worker: Worker, known: Known, caplog: pytest.LogCaptureFixture
) -> None:
    configure(f"smtp://{LOOPBACK}:{free_port()}", {"autoConfirm": True})
    await known(worker, ADDRESS)
    caplog.clear()

    answer = await send(worker, "POST", f"{USERPASS}/reset/send", {"email": ADDRESS})
    line = next(each for each in caplog.records if each.getMessage().find("resetSend") >= 0)

    assert (answer.status, errors_only(answer)) == (
        503, {"error": "the mail cannot be sent now", "error_code": "InternalServerError"}
    )  # fmt: skip
    assert answer.headers["retry-after"] == "5"
    assert "SMTPConnectError" in line.getMessage()
    assert ADDRESS not in caplog.text


async def test_a_server_that_says_nothing_is_left_in_time(
    configure: Any, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_SECONDS", 0.5)
    office.opened.clear()
    mail = configure(url_of(office))

    assert await refusal(mail) in {"TimeoutError", "SMTPReadTimeoutError", "SMTPConnectTimeoutError"}
    monkeypatch.setattr(smtp, "_SECONDS", 120.0)
    office.opened.set()
    await mail.send("reset", ADDRESS, TOKEN, Page("https://shop.example/reset", ""))


async def test_a_server_that_does_not_greet_is_left_in_time(configure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_SECONDS", 0.5)
    held: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, writer: held.append(writer), LOOPBACK, 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        cause = await refusal(configure(f"smtp://{LOOPBACK}:{port}"))
        held.pop().close()

    assert cause in {"TimeoutError", "SMTPConnectTimeoutError"}


def test_a_letter_has_the_seconds_that_the_settings_say() -> None:
    assert f"within {smtp._SECONDS:g} seconds" in (ROOT / "docs" / "settings.md").read_text()


async def test_so_many_letters_are_on_their_way_at_a_time(
    configure: Any, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_SECONDS", 120.0)
    mail = configure(url_of(office))
    office.opened.clear()
    page = Page("https://shop.example/reset", "")
    sending = asyncio.gather(*(mail.send("reset", f"{number}@b.c", TOKEN, page) for number in range(20)))
    await eventually(lambda: answered(office.visitors == 8), 60)
    office.opened.set()
    await sending

    assert (len(office.letters), office.most_visitors) == (20, 8)


async def test_an_app_without_a_page_sends_no_letter(configure: Any, office: PostOffice, worker: Worker) -> None:
    configure(url_of(office), {"emailConfirmationUrl": ""})

    answer = await register(worker)

    assert (answer.status, office.visits) == (503, 0)
    assert errors_only(answer)["error"] == "the mail cannot be sent now"


async def test_templates_of_the_operator(configure: Any, office: PostOffice, worker: Worker, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "confirm.subject.txt").write_text("$app:\n hallo $email\r\n")
    (folder / "confirm.txt").write_text("Löse ein: $url für $$5, $app")
    (folder / "reset.txt").write_text("$token $token_id")
    (folder / "reset.html").write_text("<p>$token $token_id $app</p>")
    configure(url_of(office), {"resetPasswordUrl": ""}, MAIL_TEMPLATES_DIR=str(folder))

    await register(worker, "a&b@shop.example")
    await send(worker, "POST", f"{USERPASS}/reset/send", {"email": "a&b@shop.example"})
    confirm, reset = office.letters

    assert confirm.message["Subject"] == "shop: hallo a&b@shop.example"
    assert confirm.message.get_content_type() == "text/plain"
    assert confirm.part("plain").startswith("Löse ein: https://shop.example/confirm?token=")
    assert confirm.part("plain").rstrip().endswith("für $5, shop")
    token, token_id = reset.part("plain").split()
    assert (len(token), len(token_id)) == (128, 24)
    assert reset.part("html").strip() == f"<p>{token} {token_id} shop</p>"
    assert reset.message["Subject"] == "Choose another password"


async def test_a_wrong_template_is_said_at_the_start_and_to_who_would_get_it(
    configure: Any, office: PostOffice, worker: Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "confirm.txt").write_text("open $link")
    sentence = "MAIL_TEMPLATES_DIR: confirm.txt has the placeholder $link, but there are only"
    configure(url_of(office), MAIL_TEMPLATES_DIR=str(tmp_path / "templates"))
    process.start()

    answer = await register(worker)

    assert sentence in caplog.text
    assert answer.status == 503
    assert errors_only(answer)["error"] == "the service is not configured: its log says why"
    assert (await send(worker, "POST", f"{LOGIN}/anon-user/login", {})).status == 200


async def test_an_address_gets_so_many_letters_a_day_however_they_are_asked_for(
    configure: Any, office: PostOffice, worker: Worker
) -> None:
    configure(url_of(office), MAILS_PER_ADDRESS="3")

    made = [await register(worker, each) for each in (ADDRESS, "Ann@Shop.example", "ann+1@shop.example")]
    more = [
        await register(worker, "ANN@shop.example"),
        await send(worker, "POST", f"{USERPASS}/confirm/send", {"email": ADDRESS}),
        await send(worker, "POST", f"{USERPASS}/reset/send", {"email": ADDRESS}),
    ]
    other = await register(worker, "bob@shop.example")

    assert [each.status for each in made] == [201, 201, 201]
    assert [each.status for each in more] == [429, 429, 429]
    assert int(more[0].headers["retry-after"]) > 80_000
    assert errors_only(more[0])["error"].startswith("too many mails: try again in ")
    assert (other.status, len(office.letters)) == (201, 4)


async def test_both_ways_at_once_are_a_wrong_setting(configure: Any, office: PostOffice, worker: Worker) -> None:
    with pytest.raises(Exception, match="MAIL_SMTP_URL and MAIL_WEBHOOK_URL are both set: mail goes one way"):
        configure(url_of(office), MAIL_WEBHOOK_URL="https://hook.example")

    assert (await register(worker)).status == 503


async def test_the_examples_of_the_description_are_what_people_send(app_host: Host, shared_office: PostOffice) -> None:
    letters = shared_office.letters
    letters.clear()
    examples = client.EXAMPLES

    async def post(path: str, kind: type, found: dict[str, str] | None = None, token: str | None = None) -> Answer:
        return await send(app_host, "POST", path, {**examples[kind], **(found or {})}, token)

    async def link(number: int) -> dict[str, str]:
        await eventually(lambda: answered(len(letters) == number))
        found = link_in(letters[-1].part("plain"))
        return {name: found[name] for name in ("token", "tokenId")}

    made = await post(f"{USERPASS}/register", client.Registration)
    await link(1)
    sent = await post(f"{USERPASS}/confirm/send", client.Address)
    confirmed = await post(f"{USERPASS}/confirm", client.Confirmation, await link(2))
    forgotten = await post(f"{USERPASS}/reset/send", client.Address)
    reset = await post(f"{USERPASS}/reset", client.NewPassword, await link(3))
    logged_in = await post(f"{USERPASS}/login", client.Login)
    keys = f"{CLIENT.rpartition('/app/')[0]}/auth/api_keys"
    key = await post(keys, client.KeyName, token=logged_in.json["refresh_token"])

    answers = [made, sent, confirmed, forgotten, reset, logged_in, key]
    assert [each.status for each in answers] == [201, 200, 200, 200, 200, 200, 201], answers
