"""docs/actions.md as a release has it, in shared/openapi/page.json: `python -m tests.openapi_page` writes it."""

import json
import re
import shlex
from typing import Any

from tests.hosts import ROOT

PAGE = ROOT / "docs" / "actions.md"
WRITTEN = ROOT / "shared" / "openapi" / "page.json"
_SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_CALL = re.compile(r"```sh\n(curl .*?)```\n\n```json\n(.*?)\n```", re.DOTALL)
_MEMBER = re.compile(r"^\| `(\w+)` \| [\w ]+ \| (.*) \|$", re.MULTILINE)
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")


def read() -> dict[str, Any]:
    """Return what the page says of each action: a summary, its members, calls with their replies."""
    return {name: _action(text) for name, text in _SECTION.findall(PAGE.read_text())}


def _action(text: str) -> dict[str, Any]:
    return {
        "summary": _plain(text.strip().partition("\n\n")[0]),
        "members": {name: _plain(described) for name, described in _MEMBER.findall(text)},
        "examples": [
            {"request": json.loads(shlex.split(command.replace("\\\n", " "))[-1]), "reply": json.loads(reply)}
            for command, reply in _CALL.findall(text)
        ],
    }


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("**", "").replace("\n", " ")


def written() -> str:
    """Return the file."""
    return json.dumps(read(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    WRITTEN.write_text(written())
