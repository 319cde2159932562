"""MONGO_DB_AUTH=entra: signing in to MongoDB with tokens, through both hosts and the admin process."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from shared.auth.keys import new_key
from shared.mongo import readiness
from shared.mongo.control import API_KEYS
from shared.mongo.entra import scope
from shared.service import process
from tests.conftest import ACTION, errors_only, request_body
from tests.hosts import ROOT, Host, Server, Worker
from tests.oidc import IDENTITY_HEADER, SECRET, IdentityEndpoint, OidcMongo

type Serve = Callable[[dict[str, str]], Worker]

DOCUMENTDB = "https://ossrdbms-aad.database.windows.net"
ATLAS = "api://dozen-atlas"


@pytest.fixture
async def identity() -> AsyncIterator[IdentityEndpoint]:
    async with IdentityEndpoint() as running:
        yield running


@pytest.fixture
async def mongo() -> AsyncIterator[OidcMongo]:
    """Azure DocumentDB with a system key and a document."""
    made, stored = new_key("entra", system=True)
    async with OidcMongo(DOCUMENTDB, {API_KEYS: [stored], "items": [{"_id": 1}]}) as running:
        running.key = made  # type: ignore[attr-defined]
        yield running


@pytest.fixture
async def serve(worker: Worker, configured: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """The worker in this process, with these settings and those of no other MongoDB."""
    configured.delenv("MONGO_DB_URI")
    configured.setattr(readiness, "PING_SECONDS", 60.0)

    def serve(settings: dict[str, str]) -> Worker:
        for name, value in settings.items():
            configured.setenv(name, value)
        return worker

    yield serve
    await process.close()  # while what stands in for MongoDB still answers


def entra(mongo: OidcMongo, identity: IdentityEndpoint, **env: str) -> dict[str, str]:
    return {"MONGO_DB_URI": mongo.uri, "MONGO_DB_AUTH": "entra"} | identity.env | env


async def find_one(host: Host, mongo: Any) -> Any:
    return await host.request("POST", ACTION + "findOne", {"apiKey": mongo.key}, request_body())


async def test_a_call_reaches_a_mongodb_that_takes_no_password(
    tmp_path: Path, mongo: OidcMongo, identity: IdentityEndpoint
) -> None:
    async with Server(tmp_path / "log", **entra(mongo, identity)) as server:
        answer = await find_one(server, mongo)

    assert (answer.status, answer.body) == (200, b'{"document":{"_id":1}}')
    assert identity.asked == [{"api-version": "2019-08-01", "resource": DOCUMENTDB, "header": IDENTITY_HEADER}]
    assert set(mongo.presented) == set(identity.tokens)
    assert "find" in mongo.commands


async def test_the_identity_and_the_audience_are_settings(serve: Serve, identity: IdentityEndpoint) -> None:
    settings = {"AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555", "MONGO_DB_TOKEN_AUDIENCE": ATLAS}
    async with OidcMongo(ATLAS) as mongo:
        answer = await serve(entra(mongo, identity, **settings)).request("GET", "/health/ready")

    assert answer.status == 200
    assert [(each["client_id"], each["resource"]) for each in identity.asked] == [(settings["AZURE_CLIENT_ID"], ATLAS)]


async def test_a_token_that_grew_too_old_is_replaced_within_the_call(
    serve: Serve, mongo: OidcMongo, identity: IdentityEndpoint
) -> None:
    identity.lifetime_s = 60  # so near its end, azure-identity does not use it again
    worker = serve(entra(mongo, identity))
    first = await find_one(worker, mongo)
    mongo.too_old.update(identity.tokens)
    second = await find_one(worker, mongo)

    assert (first.status, second.status) == (200, 200)
    assert len(set(mongo.presented)) == 2
    assert mongo.presented[-1] == identity.tokens[-1]


async def test_a_token_for_another_database_is_503(serve: Serve, identity: IdentityEndpoint) -> None:
    async with OidcMongo(ATLAS) as mongo:
        worker = serve(entra(mongo, identity))
        answer = await worker.request("POST", ACTION + "find", {"apiKey": "any"}, request_body())

    assert answer.status == 503
    assert errors_only(answer)["error"] == "MongoDB refuses the credentials of this deployment"


async def test_a_password_beside_it_is_one_clear_sentence(
    serve: Serve, mongo: OidcMongo, identity: IdentityEndpoint
) -> None:
    both = entra(mongo, identity, MONGO_DB_URI="mongodb://user:planted@127.0.0.1/")
    answer = await find_one(serve(both), mongo)

    assert answer.status == 503
    assert errors_only(answer)["error"] == "the service is not configured: its log says why"
    assert (identity.asked, mongo.presented) == ([], [])


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda _: (400, {"error": "invalid_client"}), id="no such identity"),
        pytest.param(lambda _: (500, {}), id="out of order"),
        pytest.param(lambda token: (200, {"access_token": token}), id="without an end"),
        pytest.param(lambda token: (200, {"access_token": token, "expires_on": token}), id="an end that is none"),
        pytest.param(lambda token: (200, [token]), id="not an object"),
    ],
)
async def test_no_token_is_503_and_the_log_says_what_to_do(
    serve: Serve, mongo: OidcMongo, identity: IdentityEndpoint, caplog: pytest.LogCaptureFixture, wrong: Any
) -> None:
    identity.answer = wrong
    worker = serve(entra(mongo, identity))
    answer = await find_one(worker, mongo)
    live = await worker.request("GET", "/health/live")

    assert (answer.status, live.status) == (503, 200)
    assert answer.headers["retry-after"] == "5"
    assert errors_only(answer)["error"] == "this deployment gets no token to sign in to MongoDB with"
    advice = [line for line in caplog.records if line.getMessage().startswith("no token from Microsoft Entra ID: ")]
    assert {(line.levelname, line.name) for line in advice} == {("ERROR", "dozen")}
    assert "AZURE_CLIENT_ID" in advice[0].getMessage()
    assert mongo.presented == []


async def test_it_goes_on_by_itself_when_there_are_tokens_again(
    serve: Serve, mongo: OidcMongo, identity: IdentityEndpoint
) -> None:
    identity.answer = lambda _: (400, {"error": "invalid_client"})
    worker = serve(entra(mongo, identity))
    during = await find_one(worker, mongo)
    identity.answer = None
    after = await find_one(worker, mongo)

    assert (during.status, after.status) == (503, 200)


@pytest.mark.parametrize("broken", [False, True])
async def test_no_token_is_ever_logged(
    tmp_path: Path, mongo: OidcMongo, identity: IdentityEndpoint, broken: bool
) -> None:
    identity.answer = (lambda token: (200, {"access_token": token, "expires_on": "soon"})) if broken else None
    async with Server(tmp_path / "log", LOG_LEVEL="DEBUG", **entra(mongo, identity)) as server:
        await find_one(server, mongo)
        mongo.too_old.update(identity.tokens)
        await find_one(server, mongo)

    text = server.log.read_text()
    assert identity.tokens
    assert [token for token in identity.tokens if token.split(".")[2] in text] == []
    assert IDENTITY_HEADER not in text


async def test_outside_azure_whoever_is_signed_in_may_sign_in(tmp_path: Path, mongo: OidcMongo) -> None:
    token = jwt.encode({"aud": DOCUMENTDB}, SECRET, algorithm="HS256")
    tool = tmp_path / "az"  # the Azure CLI, as azure-identity calls it
    answer = f'{{"accessToken": "{token}", "expires_on": 4102444800, "tokenType": "Bearer"}}'
    tool.write_text(f"#!/bin/sh\necho '{answer}'\n")
    tool.chmod(0o755)
    settings = {"MONGO_DB_URI": mongo.uri, "MONGO_DB_AUTH": "entra", "PATH": f"{tmp_path}:/usr/bin:/bin"}
    # Azure's own address for virtual machines: nothing must be asked there in a test
    settings["AZURE_TOKEN_CREDENTIALS"] = "dev"
    async with Server(tmp_path / "log", **settings) as server:
        answered = await find_one(server, mongo)

    assert answered.status == 200
    assert set(mongo.presented) == {token}


@pytest.mark.parametrize("audience", [ATLAS, f"{ATLAS}/.default"])
def test_the_scope_is_all_that_the_audience_gives(audience: str) -> None:
    assert scope(audience) == "api://dozen-atlas/.default"


async def test_the_admin_process_signs_in_the_same_way(mongo: OidcMongo, identity: IdentityEndpoint) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "admin", "keys", "list", cwd=ROOT, env=entra(mongo, identity, PATH="/usr/bin:/bin"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()

    assert process.returncode == 0
    assert b"entra" in output
    assert set(mongo.presented) == set(identity.tokens) != set()
