"""The texts of mails: ours, the operator's, what is wrong with them, what stands in for their placeholders."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.auth.mail_templates import LARGEST, NAMES, read_templates
from shared.settings import SettingsError

VALUES = {"email": "a@b", "url": "https://x?token=t&tokenId=i", "token": "t", "token_id": "i", "app": "shop"}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("confirm.txt", b"hello", "confirm.txt has neither $url nor both $token and $token_id"),
        ("confirm.txt", b"$token", "confirm.txt has neither $url nor both $token and $token_id"),
        ("confirm.txt", b"$url $name", "confirm.txt has the placeholder $name, but there are only $app, $email"),
        ("confirm.txt", b"$url for 5$", "confirm.txt has a $ that begins no placeholder: write $$ for one"),
        ("confirm.txt", b"$url ${", "confirm.txt has a $ that begins no placeholder"),
        ("confirm.txt", b"$url \xff", "confirm.txt is not UTF-8"),
        ("confirm.txt", b"$url " + b"x" * LARGEST, f"confirm.txt is larger than {LARGEST} bytes"),
        ("confirm.html", b"<a href='$url'>", "confirm.txt is missing beside confirm.html"),
        ("reset.subject.txt", b"$token", "reset.subject.txt has the placeholder $token, but there are only $app"),
        ("reset.subject.txt", b" \n", "reset.subject.txt is empty"),
        ("confirmation.txt", b"$url", "confirmation.txt is not the name of a template: confirm.html"),
    ],
)
def test_a_template_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        read_templates(str(tmp_path))

    assert str(caught.value).startswith(f"MAIL_TEMPLATES_DIR: {sentence}")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MAIL_TEMPLATES_DIR cannot be read: No such file"):
        read_templates(str(tmp_path / "none"))


def test_a_folder_that_is_mounted_has_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "confirm.txt").write_text("\ufeff$url", encoding="utf-8")

    assert read_templates(str(tmp_path))["confirm"].texts(VALUES) == (VALUES["url"], None)


def test_our_own_texts_have_a_link_and_a_subject() -> None:
    for templates in read_templates("").values():
        text, html = templates.texts(VALUES)
        assert VALUES["url"] in text
        assert html is not None
        assert 'href="https://x?token=t&amp;tokenId=i"' in html
        assert templates.links
    assert len(NAMES) == 6


@pytest.mark.parametrize(
    ("own", "of_app", "subject"),
    [
        (None, "", "Confirm your e-mail address"),
        (None, "Hallo\r\nBcc: x@y $email", "Hallo Bcc: x@y $email"),
        ("An $email", "Hallo", "An a@b"),
        ("a\u2028b\x00c\td", "", "a b c d"),
    ],
)
def test_the_subject_is_one_line(tmp_path: Path, own: str | None, of_app: str, subject: str) -> None:
    if own is not None:
        (tmp_path / "confirm.subject.txt").write_text(own)

    assert read_templates(str(tmp_path))["confirm"].subject_of("confirm", of_app, VALUES) == subject


@given(st.text())
def test_what_a_user_sends_is_text_in_html(email: str) -> None:
    text, html = read_templates("")["confirm"].texts(VALUES | {"email": email})
    plain, plain_html = read_templates("")["confirm"].texts(VALUES | {"email": ""})

    assert html is not None
    assert plain_html is not None
    assert (html.count("<"), html.count('"')) == (plain_html.count("<"), plain_html.count('"'))
    assert len(text) == len(plain) + len(email)
