"""Settings that say how MongoDB is reached and how many connections a process may open."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from pymongo.uri_parser import parse_uri

from local.mongod import Mongod
from shared import connection_strings as connections
from shared.environment import listen_address, process_count
from shared.settings import NAMES, PLATFORM_NAMES, Settings, SettingsError
from tests.conftest import ACTION, request_body
from tests.hosts import ROOT, PatientServer

URI = {"MONGO_DB_URI": "mongodb://h/"}
SRV = {"MONGO_DB_SCHEME": "mongodb+srv", "MONGO_DB_HOST": "cluster0.example.org"}
ENTRA = {"MONGO_DB_AUTH": "entra"}
REFERENCE = "@Microsoft.KeyVault(SecretUri=https://secret.vault.azure.net/secrets/x)"


@pytest.mark.parametrize(
    ("environ", "uri"),
    [
        pytest.param(SRV, "mongodb+srv://cluster0.example.org/", id="a host whose DNS names the others"),
        pytest.param(SRV | {"MONGO_DB_PORT": "27017"}, "mongodb+srv://cluster0.example.org/", id="the usual port"),
        pytest.param(
            SRV | {"MONGO_DB_USER": "u@x", "MONGO_DB_PASSWORD": "p/w"},
            "mongodb+srv://u%40x:p%2Fw@cluster0.example.org/", id="with a password",
        ),
        pytest.param(
            SRV | {"MONGO_DB_HOST": "c.global.mongocluster.cosmos.azure.com"},
            "mongodb+srv://c.global.mongocluster.cosmos.azure.com/?retryWrites=false", id="Azure DocumentDB",
        ),
        pytest.param(SRV | ENTRA, "mongodb+srv://cluster0.example.org/", id="without a password"),
        pytest.param(
            SRV | ENTRA | {"MONGO_DB_USER": "an object id"},
            "mongodb+srv://an+object+id@cluster0.example.org/", id="a user without a password",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "a,b:2,c"}, "mongodb://a:27017,b:2,c:27017/", id="the members of a replica set"
        ),
    ],
)  # fmt: skip
def test_the_parts_make_a_connection_string(environ: dict[str, str], uri: str) -> None:
    assert Settings.from_environ(environ).control_uri == uri


def test_a_replica_set_is_a_list_of_hosts_for_the_driver() -> None:
    parsed = parse_uri(Settings.from_environ({"MONGO_DB_HOST": "a,b:2,[::1]:3"}).control_uri)

    assert parsed["nodelist"] == [("a", 27017), ("b", 2), ("::1", 3)]


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        pytest.param(
            SRV | {"MONGO_DB_HOST": host},
            "MONGO_DB_HOST must be one host name without a port where MONGO_DB_SCHEME is mongodb+srv", id=host,
        )
        for host in ("cluster0.example.org:27017", "a.example.org,b.example.org", "localhost", "[::1]", "u:p@a.b.c")
    ]
    + [
        pytest.param(
            SRV | {"MONGO_DB_PORT": "27018"},
            "MONGO_DB_PORT must not be set where MONGO_DB_SCHEME is mongodb+srv: the DNS names the ports", id="port",
        ),
        pytest.param(
            SRV | {"MONGO_DB_SCHEME": "secret"}, "MONGO_DB_SCHEME is not usable: expected mongodb or mongodb+srv",
            id="scheme",
        ),
        pytest.param(
            URI | {"MONGO_DB_AUTH": "secret"}, "MONGO_DB_AUTH is not usable: expected entra or password",
            id="auth",
        ),
        pytest.param(
            SRV | ENTRA | {"MONGO_DB_USER": "u", "MONGO_DB_PASSWORD": "secret"},
            "MONGO_DB_PASSWORD must not be set where MONGO_DB_AUTH is entra", id="entra with a password",
        ),
        pytest.param(
            SRV | ENTRA | {"MONGO_DB_PASSWORD": "secret"},
            "MONGO_DB_PASSWORD must not be set where MONGO_DB_AUTH is entra", id="entra with a password only",
        ),
        pytest.param(
            URI | ENTRA | {"MONGO_DB_URI__B": "mongodb://u:secret@a,b/?tls=true"},
            "MONGO_DB_URI__B must bring neither a password nor another authMechanism where MONGO_DB_AUTH is entra",
            id="entra with a password in another source",
        ),
        pytest.param(
            ENTRA | {"MONGO_DB_URI": "mongodb+srv://h.example.org/?tls=true&authmechanism=SCRAM-SHA-256"},
            "MONGO_DB_URI must bring neither a password nor another authMechanism where MONGO_DB_AUTH is entra",
            id="entra with SCRAM",
        ),
        pytest.param(
            URI | {"MONGO_DB_TOKEN_AUDIENCE": "secret"},
            "MONGO_DB_TOKEN_AUDIENCE is not usable: expected a URI", id="audience",
        ),
        pytest.param(
            URI | {"MONGO_DB_MAX_CONNECTIONS": "0"},
            "MONGO_DB_MAX_CONNECTIONS is not usable: expected a whole number, 1 or more", id="no connections",
        ),
        pytest.param(
            URI | {"MONGO_DB_MAX_CONNECTIONS": "299", "EXPECTED_PROCESSES": "100"},
            "MONGO_DB_MAX_CONNECTIONS is too small: 100 processes need at least 300", id="less than one each",
        ),
        pytest.param(
            URI | {"MONGO_DB_MAX_CONNECTIONS": "500", "EXPECTED_PROCESSES": "3", "WEB_CONCURRENCY": "4"},
            "EXPECTED_PROCESSES must count all processes: one instance alone has 4", id="less than one instance",
        ),
        pytest.param(
            URI | {"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY is not usable: expected a whole number from 1 to 1000",
            id="no process",
        ),
    ],
)  # fmt: skip
def test_a_wrong_connection_is_one_sentence(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environ)

    assert str(caught.value) == sentence
    assert "secret" not in repr(caught.value)


@pytest.mark.parametrize("uri", ["mongodb://u@h/?authMechanism=MONGODB-OIDC", "mongodb://a:1,b:2/?tls=true"])
def test_without_a_password_a_connection_string_may_say_the_rest(uri: str) -> None:
    assert Settings.from_environ(ENTRA | {"MONGO_DB_URI": uri}).control_uri == uri


@pytest.mark.parametrize(
    ("environ", "size"),
    [
        pytest.param({}, 50, id="nothing said"),
        pytest.param({"MONGO_DB_MAX_CONNECTIONS": "100"}, 98, id="one process, two monitors"),
        pytest.param({"MONGO_DB_MAX_CONNECTIONS": "1500", "EXPECTED_PROCESSES": "100"}, 13, id="a hundred"),
        pytest.param({"MONGO_DB_MAX_CONNECTIONS": "1599", "EXPECTED_PROCESSES": "100"}, 13, id="rounded down"),
        pytest.param({"MONGO_DB_MAX_CONNECTIONS": "300", "EXPECTED_PROCESSES": "100"}, 1, id="the least"),
        pytest.param({"MONGO_DB_MAX_CONNECTIONS": "100", "WEB_CONCURRENCY": "4"}, 23, id="the processes of a server"),
        pytest.param(
            {
                "MONGO_DB_MAX_CONNECTIONS": "100", "FUNCTIONS_WORKER_RUNTIME": "python",
                "FUNCTIONS_WORKER_PROCESS_COUNT": "4",
            },
            24, id="the processes of an instance, one monitor each",
        ),
        pytest.param(
            {
                "MONGO_DB_MAX_CONNECTIONS": "3000", "EXPECTED_PROCESSES": "1000", "FUNCTIONS_WORKER_RUNTIME": "python"
            },
            2, id="a thousand instances",
        ),
        pytest.param(
            {"MONGO_DB_MAX_CONNECTIONS": "10", "EXPECTED_PROCESSES": "100", "MONGO_DB_MAX_POOL_SIZE": "7"},
            7, id="a pool that is given wins",
        ),
    ],
)  # fmt: skip
def test_the_pool_is_a_share_of_the_budget(environ: dict[str, str], size: int) -> None:
    assert Settings.from_environ(URI | environ).pool_size == size


@pytest.mark.parametrize("environ", [{}, {"FUNCTIONS_WORKER_RUNTIME": "python"}], ids=["server", "Azure"])
@pytest.mark.parametrize("processes", [1, 3, 7, 40, 333, 1_000])
def test_all_processes_together_stay_within_the_budget(environ: dict[str, str], processes: int) -> None:
    budget = 5_000
    given = {"MONGO_DB_MAX_CONNECTIONS": str(budget), "EXPECTED_PROCESSES": str(processes)}

    size = Settings.from_environ(URI | given | environ).pool_size

    each = size + connections.monitors(polling=bool(environ))
    assert processes * each <= budget < processes * (each + 1)


def test_the_page_about_scaling_computes_as_the_code_does() -> None:
    page = (ROOT / "docs/scaling.md").read_text()
    table = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| (\S+) \| ?([\d,]*) \| (\S+) \| ?([\d,]*) \|$", page, re.MULTILINE)

    assert len(table) > 20
    assert [
        row for row in table if row != tuple(computed(int(row[0].replace(",", "")), int(row[1].replace(",", ""))))
    ] == []


def computed(budget: int, processes: int) -> list[str]:
    cells = [f"{budget:,}", f"{processes:,}"]
    for polling in (True, False):
        monitors = connections.monitors(polling=polling)
        pool = connections.pool_size(budget, processes, monitors)
        cells += [f"{pool:,}", f"{processes * (pool + monitors):,}"] if pool >= 1 else ["none", ""]
    return cells


def names() -> list[str]:
    """Name every setting but those of Application Insights: without telemetry calls go on."""
    all_names = {*NAMES, "MONGO_DB_URI__B", "APP_SECRET_KEY"}
    return sorted(all_names - {"APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"})


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("reference", [REFERENCE, f" {REFERENCE.lower()}"], ids=["as written", "in small letters"])
def test_a_key_vault_reference_that_stayed_one_is_named_where_calls_need_it(name: str, reference: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(URI | {name: reference})

    assert str(caught.value) == f"{name} is a Key Vault reference that the platform could not resolve"


def test_the_address_and_the_processes_are_checked_for_references_too() -> None:
    with pytest.raises(SettingsError, match=r"^LISTEN_PORT is a Key Vault reference"):
        listen_address({"LISTEN_PORT": REFERENCE})
    with pytest.raises(SettingsError, match=r"^WEB_CONCURRENCY is a Key Vault reference"):
        process_count({"WEB_CONCURRENCY": REFERENCE})


@pytest.mark.parametrize(("text", "count"), [("", 1), (" ", 1), ("3", 3)])
def test_the_number_of_processes_is_known_even_if_another_setting_is_wrong(text: str, count: int) -> None:
    assert process_count({"WEB_CONCURRENCY": text, "RETURN_TYPE": "x"}) == count


def test_what_azure_says_is_not_a_setting_of_ours() -> None:
    assert not NAMES & PLATFORM_NAMES


@pytest.mark.parametrize("environ", [{}, {"FUNCTIONS_WORKER_RUNTIME": "python"}], ids=["server", "Azure"])
async def test_a_process_opens_its_pool_and_its_monitors_and_no_more(
    mongod: Mongod, tmp_path: Path, key: str, driver: Any, environ: dict[str, str]
) -> None:
    block = {"failCommands": ["find"], "appName": "counted", "blockConnection": True, "blockTimeMS": 100}
    settings = {"MONGO_DB_URI": f"{mongod.uri}&appName=counted", "MONGO_DB_MAX_POOL_SIZE": "4"} | environ
    async with PatientServer(tmp_path / "log", **settings) as server:
        await driver.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 24}, "data": block})
        calls = [server.request("POST", ACTION + "find", {"apiKey": key}, request_body()) for _ in range(24)]
        answers = await asyncio.gather(*calls)
        running = await driver.admin.aggregate([
            {"$currentOp": {"allUsers": True, "idleConnections": True}},
            {"$match": {"appName": "counted"}},
            {"$group": {"_id": "$connectionId"}},
        ])  # fmt: skip
        opened = await running.to_list()
        await driver.admin.command({"configureFailPoint": "failCommand", "mode": "off"})

    assert {answer.status for answer in answers} == {200}
    assert len(opened) == 4 + connections.monitors(polling=bool(environ))
