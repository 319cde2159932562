"""Tokens of other issuers: algorithms, keys, audiences, key sets that are fetched."""

import asyncio
import json
import time
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.app.model import CustomToken, MetadataField
from shared.auth import key_sets
from shared.auth.custom_jwt import CustomJWT
from shared.auth.key_sets import KeySets
from shared.errors import LoginRefusedError, UnavailableError
from shared.settings import Settings
from tests.issuer import OTHER_RSA, RSA, Issuer, issuer

__all__ = ["issuer"]

EC = ec.generate_private_key(ec.SECP256R1())
SECRET = "s" * 64


def pem(key: Any) -> str:
    encoding = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(*encoding).decode())


def token(key: Any, algorithm: str, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    given = {"sub": "s1", "aud": "app", "exp": int(time.time()) + 3600} | claims
    return jwt.encode({name: value for name, value in given.items() if value is not None}, key, algorithm, headers)


RS256 = CustomToken(algorithm="RS256", signing_keys=(pem(OTHER_RSA), pem(RSA)))
ES256 = CustomToken(algorithm="ES256", signing_keys=(pem(EC),))
HS256 = CustomToken(algorithm="HS256", signing_keys=("o" * 40, SECRET))


@pytest.fixture
def verifier() -> CustomJWT:
    """A verifier that has fetched no keys yet."""
    return verifying()


def verifying(**env: str) -> CustomJWT:
    return CustomJWT(Settings.from_environ({"MONGO_DB_URI": "mongodb://h/"} | env), KeySets())


async def refused(verifier: CustomJWT, given: str, provider: CustomToken) -> bool:
    try:
        await verifier.verified(given, provider, "app")
    except LoginRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    ("provider", "given"),
    [(RS256, token(RSA, "RS256")), (ES256, token(EC, "ES256")), (HS256, token(SECRET, "HS256"))],
    ids=["RS256", "ES256", "HS256"],
)
async def test_a_token_signed_with_one_of_the_keys(verifier: CustomJWT, provider: CustomToken, given: str) -> None:
    assert (await verifier.verified(given, provider, "app")).id == "s1"


def confused() -> str:
    """Sign with the public key's text, as if it were a secret: what a verifier would do that lets the token choose."""
    import base64  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": "s1", "aud": "app", "exp": 2**33}]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = hmac.digest(pem(RSA).encode(), signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    ("provider", "given"),
    [
        pytest.param(RS256, confused(), id="key confusion"),
        pytest.param(RS256, token("", "none"), id="none"),
        pytest.param(RS256, token(EC, "ES256"), id="another algorithm"),
        pytest.param(RS256, token(SECRET, "HS256"), id="HS256"),
        pytest.param(HS256, token("x" * 40, "HS256"), id="another key"),
        pytest.param(HS256, token(SECRET, "HS512"), id="another hash"),
        pytest.param(HS256, token(SECRET, "HS256", exp=1), id="expired"),
        pytest.param(HS256, token(SECRET, "HS256", exp=None), id="without an end"),
        pytest.param(HS256, token(SECRET, "HS256", sub=None), id="without a subject"),
        pytest.param(HS256, token(SECRET, "HS256", sub=""), id="of nobody"),
        pytest.param(HS256, token(SECRET, "HS256", nbf=2**33), id="not yet"),
        pytest.param(HS256, token(SECRET, "HS256", aud="other"), id="for others"),
        pytest.param(HS256, token(SECRET, "HS256", aud=None), id="for nobody"),
        pytest.param(HS256, token(SECRET, "HS256")[:-3] + "abc", id="tampered"),
        pytest.param(HS256, "", id="empty"),
        pytest.param(HS256, "a.b.c", id="nonsense"),
        pytest.param(HS256, "\ud800", id="no text"),
        pytest.param(HS256, token(SECRET, "HS256", big="x" * 1_000_000), id="huge"),
    ],
)
async def test_a_token_that_is_refused(verifier: CustomJWT, provider: CustomToken, given: str) -> None:
    assert await refused(verifier, given, provider)


@pytest.mark.parametrize(
    ("issuers", "given", "taken"),
    [
        ((), "anybody", True), ((), None, True), (("a", "b"), "b", True), (("a",), "a/", False), (("a",), None, False),
        (("a",), "", False),
    ],
)  # fmt: skip
async def test_issuers(verifier: CustomJWT, issuers: tuple[str, ...], given: Any, taken: bool) -> None:
    provider = msgspec.structs.replace(HS256, issuers=issuers)

    assert await refused(verifier, token(SECRET, "HS256", iss=given), provider) is not taken


@pytest.mark.parametrize(
    ("wanted", "any_", "given", "taken"),
    [
        (("a", "b"), False, ["a", "b", "c"], True),
        (("a", "b"), False, ["a"], False),
        (("a", "b"), True, "b", True),
        (("a", "b"), True, ["c"], False),
        ((), False, "app", True),
        ((), False, "other", False),
    ],
)
async def test_audiences(verifier: CustomJWT, wanted: tuple[str, ...], any_: bool, given: Any, taken: bool) -> None:
    provider = CustomToken(signing_keys=(SECRET,), audience=wanted, require_any_audience=any_)

    assert await refused(verifier, token(SECRET, "HS256", aud=given), provider) is not taken


@pytest.mark.parametrize(
    ("env", "leeway"), [({}, 5), ({"JWT_LEEWAY_SECONDS": "0"}, 0), ({"JWT_LEEWAY_SECONDS": "60"}, 60)]
)
async def test_clocks_of_issuers_may_be_off_a_little(env: dict[str, str], leeway: int) -> None:
    verifier, now = verifying(**env), int(time.time())

    def away(seconds: int) -> list[str]:
        return [token(SECRET, "HS256", iat=now + seconds), token(SECRET, "HS256", exp=now - seconds)]

    assert [await refused(verifier, each, HS256) for each in away(leeway - 2)] == [False, False]
    assert [await refused(verifier, each, HS256) for each in away(leeway + 2)] == [True, True]


@pytest.mark.parametrize("sub", ["\ud800", "a\x1b[2J", "a\u202eb", "a\nb", "a\0b"])
async def test_an_id_that_does_not_show_what_it_is(verifier: CustomJWT, sub: str) -> None:
    assert await refused(verifier, token(SECRET, "HS256", sub=sub), HS256)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400, "\ud800", {"\0": 1}, {"a": ["\udfff"]}, "x" * 5_000])
async def test_a_claim_that_cannot_be_stored(verifier: CustomJWT, value: Any) -> None:
    provider = msgspec.structs.replace(HS256, metadata_fields=(MetadataField(False, ("kept",), "kept"),))

    assert await refused(verifier, token(SECRET, "HS256", kept=value), provider)
    assert not await refused(verifier, token(SECRET, "HS256", kept=2**63 - 1), provider)


async def test_metadata(verifier: CustomJWT) -> None:
    fields = (MetadataField(True, ("a", "b.c"), "x"), MetadataField(False, ("missing",), "y"))
    provider = CustomToken(signing_keys=(SECRET,), metadata_fields=fields)

    subject = await verifier.verified(token(SECRET, "HS256", a={"b.c": "v"}), provider, "app")

    assert subject.data == {"x": "v"}
    assert await refused(verifier, token(SECRET, "HS256", a={"b": {"c": "v"}}), provider)
    assert await refused(verifier, token(SECRET, "HS256", a={"b.c": "x" * 5_000}), provider)


def provider_of(issuer: Issuer) -> CustomToken:
    return CustomToken(algorithm="RS256", jwk_uri=issuer.url)


async def test_published_keys_are_fetched_once(verifier: CustomJWT, issuer: Issuer) -> None:
    given = token(RSA, "RS256", {"kid": "k1"})

    found = await asyncio.gather(*(verifier.verified(given, provider_of(issuer), "app") for _ in range(20)))

    assert {subject.id for subject in found} == {"s1"}
    assert issuer.asked == 1


async def test_a_storm_of_unknown_keys_is_one_fetch(verifier: CustomJWT, issuer: Issuer) -> None:
    outcomes = await asyncio.gather(*(
        refused(verifier, token(OTHER_RSA, "RS256", {"kid": f"x{number}"}), provider_of(issuer)) for number in range(30)
    ))  # fmt: skip

    assert outcomes == [True] * 30
    assert issuer.asked == 1


async def test_a_new_key_is_fetched_after_a_while(
    verifier: CustomJWT, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not await refused(verifier, token(RSA, "RS256", {"kid": "k1"}), provider_of(issuer))
    issuer.publish(OTHER_RSA, "k2")
    rotated = token(OTHER_RSA, "RS256", {"kid": "k2"})

    assert await refused(verifier, rotated, provider_of(issuer))
    monkeypatch.setattr(key_sets, "_BETWEEN_FETCHES", 0.0)
    assert not await refused(verifier, rotated, provider_of(issuer))
    assert issuer.asked == 2


async def test_a_key_set_that_cannot_be_used(verifier: CustomJWT, issuer: Issuer) -> None:
    issuer.keys[:] = [{"kty": "oct", "k": "AAAA", "kid": "k1"}, {"kty": "nonsense"}, "text"]  # type: ignore[list-item]
    assert await refused(verifier, token(RSA, "RS256", {"kid": "k1"}), provider_of(issuer))

    issuer.close()
    away = CustomToken(algorithm="RS256", jwk_uri=f"{issuer.url}/other")
    with pytest.raises(UnavailableError):
        await verifier.verified(token(RSA, "RS256", {"kid": "k1"}), away, "app")


async def test_an_issuer_that_fails_is_not_asked_by_every_token(verifier: CustomJWT, issuer: Issuer) -> None:
    issuer.keys = 5  # type: ignore[assignment]
    given = token(RSA, "RS256", {"kid": "k1"})

    outcomes = await asyncio.gather(
        *(verifier.verified(given, provider_of(issuer), "app") for _ in range(20)), return_exceptions=True
    )

    assert {type(outcome) for outcome in outcomes} == {UnavailableError}
    assert issuer.asked == 1
