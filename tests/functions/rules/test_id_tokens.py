"""Logging in with Google, Apple and Facebook: id tokens as the SDKs send them, through both hosts."""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from shared.app.model import APPLE, FACEBOOK, GOOGLE
from tests.conftest import ACTION, errors_only, request_body
from tests.depth import HOSTS
from tests.functions.rules.conftest import SETTINGS, log_in, registered, send
from tests.functions.rules.test_sessions import LOGIN, PROFILE, SESSION
from tests.hosts import ROOT, Host, Server, Worker
from tests.issuer import OTHER_RSA, RSA, Issuer
from tests.shared.auth.test_id_tokens import NAMES, id_token

FIELDS = [{"name": "email", "required": True}, {"name": "first_name", "required": False}, {"name": "gender"}]


def provider(kind: str, **members: Any) -> dict[str, Any]:
    """Return a provider as an export has it."""
    return {
        "name": kind, "type": kind, "disabled": False, "config": {"clientId": "client", "openId": True},
        "secret_config": {"clientSecret": "secret-of-no-use"}, "metadata_fields": FIELDS,
        "redirect_uris": ["https://shop.example/back"],
    } | members  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The app with the three providers, whose keys are those of an issuer of the test's own."""
    issuer = Issuer()
    issuer.publish(RSA, "k1")
    folder = Path(shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path_factory.mktemp("openid") / "shop"))
    file = folder / "auth" / "providers.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {kind: provider(kind) for kind in NAMES}))
    urls = ",".join(f"{kind}={issuer.url}" for kind in NAMES)
    yield SETTINGS | {"APP_CONFIG_DIR": str(folder), "OAUTH2_JWKS_URLS": urls}
    issuer.close()


@pytest.fixture(scope="module")
async def openid_server(
    mongod: Mongod, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    log = tmp_path_factory.mktemp("openid-server") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, **settings) as running:
        yield running


@pytest.fixture(params=HOSTS)
def app_host(
    request: pytest.FixtureRequest, configured: pytest.MonkeyPatch, settings: dict[str, str], users: None
) -> Host:
    """Each host in turn, with that app."""
    if request.param == "server":
        server: Server = request.getfixturevalue("openid_server")
        return server
    for name, value in settings.items():
        configured.setenv(name, value)
    worker: Worker = request.getfixturevalue("worker")
    return worker


@pytest.mark.parametrize("kind", NAMES)
async def test_who_logs_in_again_is_the_same_user(app_host: Host, kind: str) -> None:
    address: dict[str, Any] = {"email": "ann@shop.example", "email_verified": True}
    first = await log_in(app_host, kind, {"id_token": id_token(provider=kind, **address)})
    again = await log_in(app_host, kind, {"id_token": id_token(provider=kind, given_name="Ann", gender="x")})
    other = await log_in(app_host, kind, {"id_token": id_token(provider=kind, sub="111")})
    renewed = await send(app_host, "POST", SESSION, token=again.refresh_token)
    profile = (await send(app_host, "GET", PROFILE, token=first.access_token)).json

    assert first.id == again.id != other.id
    assert renewed.status == 200
    assert [(each["provider_type"], each["id"]) for each in profile["identities"]] == [(kind, "110")]
    data = {"email": "ann@shop.example"} if kind != FACEBOOK else {}
    assert (profile["data"], profile["type"]) == (data | {"first_name": "Ann"}, "normal")
    assert (await first("find")).status == 200


async def test_one_id_of_three_owners_is_three_people(app_host: Host) -> None:
    people = [await log_in(app_host, kind, {"id_token": id_token(provider=kind)}) for kind in NAMES]

    assert len({each.id for each in people}) == 3


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(id_token(aud="stranger"), id="another audience"),
        pytest.param(id_token(provider=APPLE), id="another owner"),
        pytest.param(id_token(exp=1), id="expired"),
        pytest.param(id_token(OTHER_RSA), id="another key"),
        pytest.param(id_token(kid="k9"), id="an unknown key"),
        pytest.param("eyJ.x.y", id="no token"),
        pytest.param("x" * 60_000, id="a long text"),
    ],
)
async def test_another_token_is_refused(app_host: Host, token: str, driver: Any) -> None:
    answer = await send(app_host, "POST", f"{LOGIN}/{GOOGLE}/login", {"id_token": token})

    assert (answer.status, errors_only(answer)) == (401, {"error": "unauthorized", "error_code": "AuthError"})
    assert await driver.dozen.users.count_documents({}) == 0


async def test_a_nonce_is_asked_for_by_who_sends_it(app_host: Host) -> None:
    body = {"id_token": id_token(nonce="n-1")}

    right = await send(app_host, "POST", f"{LOGIN}/{GOOGLE}/login", body | {"nonce": "n-1"})
    wrong = await send(app_host, "POST", f"{LOGIN}/{GOOGLE}/login", body | {"nonce": "n-2"})
    empty = await send(app_host, "POST", f"{LOGIN}/{GOOGLE}/login", body | {"nonce": ""})

    assert (right.status, wrong.status, empty.status) == (200, 401, 400)


async def test_an_identity_is_linked_and_logs_in_as_the_user(app_host: Host) -> None:
    person = await registered(app_host, "ann@shop.example")
    path = f"{LOGIN}/{GOOGLE}/login"
    claims: dict[str, Any] = {"email": "ann@gmail.com", "email_verified": True, "given_name": "Ann"}

    linked = await send(app_host, "POST", f"{path}?link=true", {"id_token": id_token(**claims)}, person.access_token)
    again = await log_in(app_host, GOOGLE, {"id_token": id_token()})
    other = await registered(app_host, "bob@shop.example")
    taken = await send(app_host, "POST", f"{path}?link=true", {"id_token": id_token()}, other.access_token)
    wrong = await send(app_host, "POST", f"{path}?link=true", {"id_token": id_token(exp=1)}, person.access_token)
    profile = (await send(app_host, "GET", PROFILE, token=person.access_token)).json

    assert linked.json["user_id"] == again.id == person.id
    assert [answer.status for answer in (taken, wrong)] == [401, 401]
    assert [each["provider_type"] for each in profile["identities"]] == ["local-userpass", GOOGLE]
    assert profile["data"]["first_name"] == "Ann"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (GOOGLE, {"authCode": "4/abc"}, "login with 'authCode' is not served: send an 'id_token'"),
        (FACEBOOK, {"accessToken": "EAAG"}, "login with 'accessToken' is not served: send an 'id_token'"),
        (APPLE, {"redirectUrl": "https://x"}, "login with 'redirectUrl' is not served: send an 'id_token'"),
        (GOOGLE, {}, "must provide a 'id_token' field"),
        (GOOGLE, {"id_token": 5}, "must provide a 'id_token' field"),
        (GOOGLE, {"id_token": {"$ne": 1}}, "must provide a 'id_token' field"),
    ],
)
async def test_what_is_no_id_token_is_said(app_host: Host, kind: str, body: Any, text: str) -> None:
    answer = await send(app_host, "POST", f"{LOGIN}/{kind}/login", body)

    assert (answer.status, errors_only(answer)["error"]) == (400, text)


async def test_an_sdk_sends_the_id_token_of_facebook_as_its_access_token(app_host: Host) -> None:
    device = {"options": {"device": {"sdkVersion": "2.0.1"}}}
    token = id_token(provider=FACEBOOK)

    by_sdk = await log_in(app_host, FACEBOOK, {"accessToken": token} | device)
    again = await log_in(app_host, FACEBOOK, {"id_token": token})

    assert by_sdk.id == again.id


@pytest.mark.parametrize("kind", NAMES)
async def test_a_login_by_redirect_is_refused_in_words(app_host: Host, kind: str) -> None:
    answer = await app_host.request("GET", f"{LOGIN}/{kind}/login?redirect=https://shop.example&state=x&device=e30")

    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert errors_only(answer)["error"].startswith("login by redirect is not served: get an id token")
    assert (await app_host.request("GET", f"{LOGIN}/anon-user/login")).json["error"] == "method not allowed"


async def test_an_id_token_is_no_credential_of_a_call(app_host: Host) -> None:
    person = await log_in(app_host, GOOGLE, {"id_token": id_token()})

    by_header = await app_host.request("POST", f"{ACTION}find", {"jwtTokenString": id_token()}, request_body())
    as_bearer = await person._replace(access_token=id_token())("find")

    assert (by_header.status, as_bearer.status) == (401, 401)
