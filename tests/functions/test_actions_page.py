"""docs/actions.md: each action with the members that its request has, and calls that get the replies of the page."""

import json
import re
import shlex
from itertools import pairwise
from typing import Any

import pytest
from msgspec.inspect import StructType, type_info

from shared.endpoint.terms import TERMS
from shared.operators import Standing
from shared.options import OPTIONS
from tests.conftest import ACTION, DATABASE
from tests.hosts import ROOT, Worker
from tests.test_actions import ALL, KINDS

PAGE = (ROOT / "docs" / "actions.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
OPTIONS_SECTION = PAGE.partition("## Which options are there?\n")[2]
CALL = re.compile(r"```sh\n(curl .*?)```\n\n```json\n(.*?)\n```", re.DOTALL)
TERMS_SECTION = PAGE.partition("## Can a write be sent again, limited or tried?\n")[2]
EXCHANGE = re.compile(r"```sh\n(curl [^`]*)```\n\n```http\nHTTP/1.1 ([^`]*?)\n\n([^`]*)\n```")
CURSOR = "AQx…"
CONTINUING = ("cursor", "resumeToken")
PLACE = {"dataSource", "database", "collection", "options"}
WHO = {
    Standing.RULED: "everybody", Standing.WHOLE: "who sees everything", Standing.SYSTEM: "system keys",
}  # fmt: skip


def test_every_action_has_a_section() -> None:
    assert SECTIONS.keys() == ALL.keys()


@pytest.mark.parametrize("action", ALL)
def test_a_section_lists_the_members_of_the_request(action: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| [\w ]+ \| (.*) \|$", SECTIONS[action], re.MULTILINE)
    info = type_info(KINDS[action])
    assert isinstance(info, StructType)
    fields = [each for each in info.fields if each.encode_name not in PLACE]

    assert {name for name, _ in rows} == {each.encode_name for each in fields}
    assert {name for name, text in rows if text.startswith("**")} == {
        each.encode_name for each in fields if each.required
    }


@pytest.mark.parametrize("action", ALL)
def test_a_section_lists_the_options_that_the_action_takes(action: str) -> None:
    (line,) = re.findall(r"^Options: (.*)\.$", SECTIONS[action], re.MULTILINE)

    assert re.findall(r"`(\w+)`", line) == sorted(KINDS[action].takes)


def test_every_option_is_described_with_who_may_use_it() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [\w ]+ \| ([\w ]+) \| .* \|$", OPTIONS_SECTION, re.MULTILINE)

    assert dict(rows) == {name: WHO[each.open_to] for name, each in OPTIONS.items() if each.open_to in WHO}
    assert {name for name in OPTIONS if f"`{name}`" not in PAGE} == set()


async def test_the_calls_of_the_page_get_its_replies(worker: Worker, key: str, database: Any) -> None:
    headers = {"apiKey": key, "Content-Type": "application/json"}
    cursor = ""
    for action, section in SECTIONS.items():
        calls = CALL.findall(section)
        assert calls, action
        for command, reply in calls:
            _, _, url, *words = shlex.split(command.replace("\\\n", " "))
            assert url == f"$URL/{action}"
            answer = await worker.request("POST", ACTION + action, headers, words[-1].replace(CURSOR, cursor).encode())
            cursor = next((answer.json[name] for name in CONTINUING if name in answer.json), cursor)
            found = answer.json | {name: CURSOR for name in CONTINUING if name in answer.json}
            assert (answer.status, in_order(found)) == (ALL[action].success, in_order(json.loads(reply)))


async def test_the_writes_on_terms_get_the_replies_of_the_page(
    worker: Worker, key: str, database: Any, driver: Any
) -> None:
    await driver["dozen"]["replies"].delete_many({})
    await database.items.insert_one({"_id": 7, "item": "nib"})
    exchanges = EXCHANGE.findall(TERMS_SECTION)
    for command, head, reply in exchanges:
        _, _, url, *words = shlex.split(command.replace("\\\n", " ").replace("$KEY", key))
        sent = dict(each.split(": ", 1) for option, each in pairwise(words) if option == "-H")
        answer = await worker.request("POST", ACTION + url.removeprefix("$URL/"), sent, words[-1].encode())
        status, *lines = head.splitlines()
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        told = answer.headers.keys() & {"idempotent-replayed", "dozen-dry-run", "preference-applied"}
        assert (answer.status, answer.body.decode()) == (int(status[:3]), reply)
        assert {name: answer.headers[name] for name in told} == headers
    assert {name for command, *_ in exchanges for name in TERMS.split(", ") if f"{name}: " in command} == {
        *re.findall(r"^\| `([\w-]+): ", TERMS_SECTION, re.MULTILINE)
    }


def in_order(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply with its values sorted, whose order is MongoDB's, and of databases that of the page alone."""
    if "databases" in reply:
        return {**reply, "databases": [each for each in reply["databases"] if each["name"] == DATABASE]}
    return {name: sorted(value) if name == "values" else value for name, value in reply.items()}
