"""MAIL_SMTP_URL and MAIL_FROM: what they mean, what is refused; which addresses mail can be sent to."""

from email import policy
from email.message import EmailMessage
from email.parser import Parser

import pytest
from aiosmtplib.email import parse_address
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.auth.smtp import Letter, encoded
from shared.mail_server import MailServer, MailServerError, Sender, is_mailable, mail_server
from shared.settings import Settings, SettingsError
from tests.depth import examples

FROM = "Shop <noreply@shop.example>"
SENDER = Sender("Shop", "noreply@shop.example")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", ("mail.example", 587, "", "", "starttls", "")),
        ("smtp://u%40x:p%2F%25@mail.example:25/", ("mail.example", 25, "u@x", "p/%", "starttls", "")),
        ("smtps://u:p@mail.example", ("mail.example", 465, "u", "p", "at once", "")),
        ("smtp://mail.example?starttls=no", ("mail.example", 587, "", "", "none", "")),
        ("smtp://localhost:1025", ("localhost", 1025, "", "", "none", "")),
        ("smtp://u:p@127.0.0.1:1025", ("127.0.0.1", 1025, "u", "p", "none", "")),
        ("smtp://[::1]:1025?starttls=yes&ca_file=/a%20b.pem", ("::1", 1025, "", "", "starttls", "/a b.pem")),
    ],
)
def test_what_a_url_means(url: str, server: tuple[str, int, str, str, str, str]) -> None:
    assert mail_server(url, FROM) == (*server, SENDER)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("smtp://u:planted-secret@mail.example?starttls=no", "would send a password in clear"),
        ("smtp://u:planted-secret@127.0.0.1.example?starttls=no", "would send a password in clear"),
        ("smtp://u@mail.example", "user and password, or neither"),
        ("smtp://:planted-secret@mail.example", "user and password, or neither"),
        ("http://planted-secret", "expected smtp://"),
        ("mail.example:587", "expected smtp://"),
        ("smtp://", "expected smtp://"),
        ("smtp://mail.example:port", "expected smtp://"),
        ("smtp://mail.example:99999", "expected smtp://"),
        ("smtp://mail.example/path", "expected smtp://"),
        ("smtp://mail.example/#part", "expected smtp://"),
        ("smtp://mail.example?planted-secret", "expected smtp://"),
        ("smtp://mail.example?tls=planted-secret", "takes only the options ca_file and starttls"),
        ("smtp://mail.example?starttls=maybe", "takes starttls=yes or starttls=no"),
        ("smtps://mail.example?starttls=no", "neither with smtps"),
    ],
)
def test_a_url_that_is_refused(url: str, words: str) -> None:
    with pytest.raises(MailServerError, match=words) as caught:
        mail_server(url, FROM)

    assert "planted-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("noreply@shop.example", ("", "noreply@shop.example")),
        ("<noreply@shop.example>", ("", "noreply@shop.example")),
        ("Läden, Inc. <noreply@shop.example>", ("Läden, Inc.", "noreply@shop.example")),
        ("", None),
        ("Shop", None),
        ("Shop noreply@shop.example", None),
        ("Shop <noreply@shop.example", None),
        ("Shop <noreply@läden.example>", None),
        ("Shop <a@b> <noreply@shop.example>", None),
        ("Shop\r\nBcc: x@y <noreply@shop.example>", None),
        ("noreply@shop.example\r\nBcc: x@y", None),
    ],
)
def test_the_sender(text: str, sender: tuple[str, str] | None) -> None:
    if sender is None:
        with pytest.raises(MailServerError, match="MAIL_FROM must be an address"):
            mail_server("smtp://mail.example", text)
    else:
        found = mail_server("smtp://mail.example", text)
        assert found is not None
        assert found.sender == sender


def test_a_deployment_without_a_mail_server_needs_no_sender() -> None:
    assert mail_server("", "") is None


@pytest.mark.parametrize("env", [{"MAIL_SMTP_URL": "smtp://mail.example"}, {"MAIL_SMTP_URL": "smtp://u@h"}])
def test_a_wrong_setting_of_mail_keeps_the_service_from_starting(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        Settings.from_environ({"MONGO_DB_URI": "mongodb://h/"} | env)


def test_a_server_names_nobody_who_logs_in_there() -> None:
    assert "planted-secret" not in repr(mail_server("smtp://user:planted-secret@mail.example", FROM))


ODD = st.text(st.characters(exclude_categories=[]), max_size=20)
ADDRESSES = st.one_of(
    st.builds("{}@{}".format, ODD, ODD),
    st.from_regex(r"\A[a-z!#$%&'*+/=?^_`{|}~.,;:<>()\[\]\\\"@ é-]{1,20}@[a-zé.-]{1,20}\Z"),
)


@pytest.mark.parametrize(
    ("domain", "taken"),
    [
        ("läden.example", True), ("Läden.Example", True), ("例子.广告", True), ("ไทย.example", True),
        ("\uff47mail.com", False), ("gmail\u3002com", False), ("g\ufe0fmail.com", False), ("g\u034fmail.com", False),
        ("\U0001d5c0mail.com", False), ("\ufb01rm.example", False), ("straße.example", False),
        ("la\u0308den.example", False), ("ü" * 60 + ".example", False),
    ],
)  # fmt: skip
def test_a_domain_that_is_looked_up_as_another_is_none(domain: str, taken: bool) -> None:
    assert is_mailable(f"ann@{domain}") is taken


@settings(max_examples=examples(2_000), deadline=None)
@given(ADDRESSES)
@example("a@b\r\nRCPT TO:<x@y>")
@example("a@b\u2028c")
@example("a,b@c.d")
@example("=?utf-8?q?a?=@b.c")
@example("a..b@c.d")
@example("\ud800@b.c")
@example("x" * 64 + "@" + "y" * 63 + ".é" * 30)
def test_an_address_that_mail_can_be_sent_to_is_read_as_one_and_no_other(address: str) -> None:
    if not is_mailable(address):
        return
    server = MailServer("h", 25, "", "", "none", "", SENDER)
    content = encoded(Letter(address, "s", "t", None), server)
    message = Parser(EmailMessage, policy=policy.SMTPUTF8).parsestr(content.decode())
    (found,) = message["To"].addresses

    assert parse_address(address) == address
    assert (found.username, found.domain, found.display_name) == (*address.rsplit("@", 1), "")
    assert message.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    ]  # fmt: skip
