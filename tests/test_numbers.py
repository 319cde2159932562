"""Numbers of the pages, which are those of the code: whoever changes one is told of the other."""

import math
import re
from types import ModuleType
from typing import Any

import pytest
from msgspec.inspect import type_info

from shared import admission, budget, connection_strings, http_client, requests
from shared.access import composing, cutting
from shared.app import package_files
from shared.auth import confirmations, smtp, tokens
from shared.cache import entries
from shared.documents import ejson, inferred, plans
from shared.endpoint import (
    cursors,
    function_calls,
    function_http,
    function_responses,
    function_users,
    inner_calls,
    polling,
    user_functions,
)
from shared.mcp import agent, door, tools
from shared.mongo import clients, reads
from shared.settings import Settings
from shared.triggers import calls, leases, runner
from tests.hosts import ROOT
from tests.test_docs import rows

# server asks the app for its functions when it is imported, which works once in a process
[HEAD_BYTES] = re.findall(
    r"^MOST_HEAD_BYTES = ([0-9* ]+)$", (ROOT / "server" / "protocol.py").read_text(), re.MULTILINE
)
protocol = ModuleType("protocol")
protocol.__dict__["MOST_HEAD_BYTES"] = math.prod(map(int, HEAD_BYTES.split("*")))
MINUTE, DAY, KIB, MIB = 60, 86_400, 1024, 1024 * 1024
ATLAS, REALM, FUNCTIONS, ACTIONS = "coming-from-atlas", "coming-from-realm-web", "functions", "actions"

NUMBERS: list[tuple[str, str, ModuleType, str, float]] = [
    (ATLAS, "Access tokens of {} minutes and", tokens, "ACCESS_SECONDS", MINUTE),
    (ATLAS, "refresh tokens of {} days", tokens, "REFRESH_SECONDS", DAY),
    (ATLAS, "of anonymous users {}.", tokens, "ANONYMOUS_SECONDS", DAY),
    (ATLAS, "may be {} MB in one call", cutting, "MOST_COMPUTED", MIB),
    ("agents", "inserts up to {} documents", tools, "MOST_INSERTED", 1),
    ("agents", "at most {} KiB and", agent, "MOST_BYTES", KIB),
    ("agents", "KiB and {} documents, and", tools, "MOST_DOCUMENTS", 1),
    ("agents", "and {} documents unless `limit`", tools, "DOCUMENTS", 1),
    ("agents", "never more than {}.", tools, "MOST_AFFECTED", 1),
    ("agents", "names up to {} of those", agent, "MOST_NAMED", 1),
    ("agents", "A list has at most {} collections", agent, "MOST_NAMES", 1),
    ("agents", "a body of more than {} MiB", door, "MOST_BODY", MIB),
    ("admin", "run out within {} minutes", tokens, "ACCESS_SECONDS", MINUTE),
    (REALM, "returns at most {} documents", reads, "MAX_RESULTS", 1),
    (ACTIONS, "Without `limit` {}, and", requests, "DEFAULT_LIMIT", 1),
    (ACTIONS, "never more than {}.", requests, "MAX_LIMIT", 1),
    (ACTIONS, "what comes out, at most {} documents", reads, "MAX_RESULTS", 1),
    (ACTIONS, "can be used for {} hours", cursors, "SECONDS", 3_600),
    (ACTIONS, "a batch holds up to {} documents", cursors, "MOST", 1),
    (ACTIONS, "{} without `batchSize`", requests, "DEFAULT_BATCH", 1),
    (ACTIONS, "deeper than {} fields is left out", inferred, "_DEEPEST", 1),
    (ACTIONS, "more than {} fields are refused", inferred, "_MOST_FIELDS", 1),
    (ACTIONS, "more than {} documents are examined", plans, "_MANY_TIMES", 1),
    (ACTIONS, "wait for a change, up to {};", polling, "MOST_AWAIT_MS", 1),
    (ACTIONS, "those that are there with it, up to {} MB", polling, "_MOST_BYTES", MIB),
    (ACTIONS, "one of more than {} bytes is 400", composing, "_LONGEST_HEADER", 1),
    ("caching", "a reply of more than {} MiB", entries, "LARGEST", MIB),
    ("errors", "have more than {} KiB", protocol, "MOST_HEAD_BYTES", KIB),
    (FUNCTIONS, "A call runs at most {} scripts", function_users, "_SCRIPTS", 1),
    (FUNCTIONS, "an archive of at most {} MB", package_files, "LARGEST_ARCHIVE", MIB),
    (FUNCTIONS, "all headers together have at most {} bytes", function_responses, "MOST_HEADER_BYTES", 1),
    (FUNCTIONS, "takes over after about {} seconds", leases, "LEASE_SECONDS", 1),
    (FUNCTIONS, "is to end get {} seconds", runner, "GRACE_SECONDS", 1),
    (FUNCTIONS, "A run may take {} seconds", inner_calls, "RUN_MS", 1_000),
    (FUNCTIONS, "the last {} of each trigger", calls, "MOST_FAILURES", 1),
    (FUNCTIONS, "the first {} characters of the error", calls, "_LONGEST_ERROR", 1),
    (FUNCTIONS, "with the token, for {} minutes", confirmations, "LIFE", MINUTE),
    (FUNCTIONS, "at most {} times, and only to hosts", http_client, "_MOST_REDIRECTS", 1),
    (FUNCTIONS, "at most {} connections at a time", function_http, "_CONNECTIONS", 1),
    (FUNCTIONS, "at most {} transactions open", function_calls, "_TRANSACTIONS", 1),
    (FUNCTIONS, "after {} times is not told any more", user_functions, "_MOST_TRIES", 1),
    ("rules", "They may be {} MB in one call", cutting, "MOST_COMPUTED", MIB),
    ("scaling", "{} more wait for up to a second", admission, "WAITING", 1),
    ("settings", "{} more wait, for a second", admission, "WAITING", 1),
    ("settings", "without that {} |", connection_strings, "DEFAULT_POOL_SIZE", 1),
    ("settings", "beside about {} MB of its own", budget, "_BASE", MIB),
    ("settings", "does not take within {} seconds", smtp, "_SECONDS", 1),
    ("settings", "A process has {} connections to the server", smtp, "_MOST_AT_ONCE", 1),
    ("settings", "`serverSelectionTimeoutMS` of {} or", clients, "_SERVER_SELECTION_MS", 1),
    ("settings", "`waitQueueTimeoutMS={:d}`", clients, "_WAIT_SECONDS", 0.001),
    ("types", "deeper than {} levels below itself", ejson, "MAX_DEPTH", 1),
]  # fmt: skip


@pytest.mark.parametrize(("page", "sentence", "module", "name", "unit"), NUMBERS, ids=lambda each: str(each)[:40])
def test_a_number_of_a_page_is_that_of_the_code(
    page: str, sentence: str, module: ModuleType, name: str, unit: float
) -> None:
    found = getattr(module, name)
    number = round(getattr(found, "total_seconds", lambda: found)() / unit)

    assert sentence.replace("{}", "{:,}").format(number) in (ROOT / "docs" / f"{page}.md").read_text()


def bounds(setting: Any) -> tuple[int, int]:
    """Return the least and the most of a setting; 0 for a bound that goes without saying."""
    kinds = getattr(setting.type, "types", [setting.type])
    least, most = (max(getattr(kind, bound, None) or 0 for kind in kinds) for bound in ("ge", "le"))
    return least, most


EXEMPT = {"MONGO_DB_TIMEOUT_MS": "as long as a number of 32 bits"}
BOUNDED = {
    setting.encode_name: bounds(setting)
    for setting in type_info(Settings).fields  # type: ignore[attr-defined]
    if any(bounds(setting)) and setting.encode_name not in EXEMPT
}
UNITS = {name: unit for name, _, unit, _ in rows("docs/settings.md", "| name | default | unit | what it does |")}


@pytest.mark.parametrize("name", [name for name in BOUNDED if name in UNITS and UNITS[name] != "port"])
def test_the_page_says_between_which_numbers_a_setting_is(name: str) -> None:
    least, most = BOUNDED[name]
    said = re.search(r"(\d[\d,]*) to (\d[\d,]*)|at least (\d[\d,]*)", UNITS[name])
    numbers = [int(each.replace(",", "")) for each in said.groups() if each] if said else []

    assert numbers == ([least, most] if most else [least] if least > 1 else [])
