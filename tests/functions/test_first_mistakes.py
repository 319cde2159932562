"""The mistakes of a first call: docs/errors.md names each by the text that the caller sees."""

import re
from typing import Any

import pytest

from tests.conftest import request_body
from tests.hosts import ROOT, Host

PAGE = (ROOT / "docs" / "errors.md").read_text().partition("## The first call fails\n")[2].partition("\n## ")[0]
TEXTS = set(re.findall(r"(?m)^\| `([^`]+)`", PAGE))


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        pytest.param({}, "no authentication methods were specified", id="no header"),
        pytest.param({"api_key": "{key}"}, "no authentication methods were specified", id="a misspelled header"),
        pytest.param({"apiKey": "of Atlas"}, "invalid session: error finding user for endpoint", id="another key"),
        pytest.param({"Authorization": "Bearer {key}"}, "invalid session", id="a key as a token"),
    ],
)
async def test_a_credential_that_does_not_fit_is_explained(
    host: Host, key: str, database: Any, headers: dict[str, str], text: str
) -> None:
    sent = {name: value.format(key=key) for name, value in headers.items()}
    path = "/app/shop-abcde/endpoint/data/v1/action/findOne"
    answer = await host.request("POST", path, sent | {"Content-Type": "application/json"}, request_body())

    assert answer.status in {400, 401}
    assert answer.json["error"] == text
    assert text in TEXTS
