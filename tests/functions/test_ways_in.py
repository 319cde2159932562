"""What docs/ways-in.md shows: each of its addresses is served, and its snippets do what they say."""

import json
import re
import shlex
from typing import Any

import pytest

from tests.conftest import request_body
from tests.hosts import ROOT, Host, Server

PAGE = (ROOT / "docs" / "ways-in.md").read_text()
PLACE = "https://dozen.shop.example"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
OFF = {f"{PLACE}/mcp"}  # unless a setting says otherwise: test_mcp.py
URLS = sorted({url for _, block in BLOCKS for url in re.findall(rf"{re.escape(PLACE)}[^\s\"']*", block)} - OFF)


def of(section: str) -> str:
    """Return the block of a section."""
    block: str = re.findall(r"```\w+\n(.*?)```", PAGE.partition(f"## {section}\n")[2], re.DOTALL)[0]
    return block


@pytest.mark.parametrize("url", URLS)
async def test_an_address_of_the_page_is_served(host: Host, key: str, database: Any, url: str) -> None:
    path = url.removeprefix(PLACE)
    asked = {
        "": ("GET", "/api/client/v2.0/app/shop-abcde/location", b""),
        "/app/shop-abcde/endpoint/data/v1": ("POST", f"{path}/action/find", request_body()),
    }.get(path, ("POST", path, request_body(document={"a": 1})))
    answer = await host.request(asked[0], asked[1], {"apiKey": key, "Content-Type": "application/json"}, asked[2])

    assert answer.status in {200, 201}


async def test_the_call_of_the_page_finds_documents(server: Server, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    words = shlex.split(of("A program of the Atlas Data API").replace("\\\n", "").replace("<key>", key))
    headers = dict(words[at + 1].split(": ") for at, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1]
    answer = await server.request("POST", words[2].removeprefix(PLACE), headers, body.encode())

    assert answer.json == {"documents": [{"_id": 1}]}
    assert json.loads(body)["database"] == "shop"


def test_every_way_has_its_snippet() -> None:
    links = re.findall(r"\[below\]\(#([\w-]+)\)", PAGE)
    headings = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in re.findall(r"(?m)^## (.+)$", PAGE)}

    assert set(links) == headings
    assert len(BLOCKS) == len(headings)
