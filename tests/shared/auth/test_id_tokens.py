"""The id tokens of Google, Apple and Facebook: whose are taken, what is kept of them, keys that come and go."""

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from shared.app.model import APPLE, FACEBOOK, GOOGLE, MetadataField, OpenID
from shared.auth import key_sets
from shared.auth.id_tokens import IdTokens
from shared.auth.key_sets import KeySets
from shared.errors import LoginRefusedError, UnavailableError
from shared.settings import Settings
from tests.issuer import OTHER_RSA, RSA, Issuer, issuer

__all__ = ["issuer"]

NAMES = {
    GOOGLE: "https://accounts.google.com",
    APPLE: "https://appleid.apple.com",
    FACEBOOK: "https://www.facebook.com",
}
FIELDS = tuple(
    MetadataField(False, (claim,), target)
    for claim, target in (("email", "email"), ("given_name", "first_name"), ("picture", "picture"))
)
PROVIDER = OpenID(client_ids=frozenset({"client", "other-client"}), metadata_fields=FIELDS)
DIGEST = sha256(b"n-1").hexdigest()


def id_token(key: Any = RSA, kid: str = "k1", provider: str = GOOGLE, **claims: Any) -> str:
    """Sign a token that is right but for the claims that are given; None leaves one out."""
    now = int(time.time())
    given = {"iss": NAMES[provider], "aud": "client", "sub": "110", "iat": now, "exp": now + 3600} | claims
    claimed = json.dumps({name: each for name, each in given.items() if each is not None}).encode()
    return jwt.PyJWS().encode(claimed, key, "RS256", {"kid": kid})


@pytest.fixture
def verifier(issuer: Issuer) -> IdTokens:
    return verifying(issuer)


def verifying(issuer: Issuer) -> IdTokens:
    urls = ", ".join(f"{name}={issuer.url}" for name in NAMES)
    settings = Settings.from_environ({"MONGO_DB_URI": "mongodb://h/", "OAUTH2_JWKS_URLS": urls})
    return IdTokens(settings, KeySets())


async def refused(verifier: IdTokens, token: str, provider: OpenID = PROVIDER, kind: str = GOOGLE, **n: str) -> bool:
    try:
        await verifier.verified(token, kind, provider, **n)
    except LoginRefusedError:
        return True
    return False


@pytest.mark.parametrize("kind", NAMES)
async def test_a_token_of_each_owner(verifier: IdTokens, kind: str) -> None:
    subject = await verifier.verified(id_token(provider=kind, given_name="Ann", other="x"), kind, PROVIDER)

    assert subject == ("110", {"first_name": "Ann"}, frozenset())


@pytest.mark.parametrize("kind", NAMES)
async def test_a_token_of_another_owner_is_refused_though_its_key_is_the_same(verifier: IdTokens, kind: str) -> None:
    others = [id_token(provider=other) for other in NAMES if other != kind]

    assert [await refused(verifier, each, kind=kind) for each in others] == [True, True]


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        pytest.param({"iss": "accounts.google.com"}, True, id="Google's older name"),
        pytest.param({"aud": "other-client"}, True, id="another client of the app"),
        pytest.param({"aud": ["client", "other-client"]}, True, id="both of its clients"),
        pytest.param({"aud": ["client", "stranger"]}, False, id="a stranger's, too"),
        pytest.param({"aud": "stranger"}, False, id="a stranger's"),
        pytest.param({"aud": []}, False, id="for nobody"),
        pytest.param({"aud": {"client": 1}}, False, id="an audience of another type"),
        pytest.param({"aud": None}, False, id="without an audience"),
        pytest.param({"iss": "https://accounts.google.com.evil.example"}, False, id="another issuer"),
        pytest.param({"iss": ["https://accounts.google.com"]}, False, id="an issuer of another type"),
        pytest.param({"iss": None}, False, id="without an issuer"),
        pytest.param({"exp": 1}, False, id="expired"),
        pytest.param({"exp": None}, False, id="without an end"),
        pytest.param({"iat": None}, False, id="without a beginning"),
        pytest.param({"iat": 2**33, "exp": 2**34}, False, id="of the future"),
        pytest.param({"nbf": 2**33}, False, id="not yet"),
        pytest.param({"sub": None}, False, id="of nobody"),
        pytest.param({"sub": ""}, False, id="of an empty text"),
        pytest.param({"sub": "x" * 1_025}, False, id="of a long text"),
        pytest.param({"sub": "a\u202eb"}, False, id="of a text that turns"),
    ],
)
async def test_whose_tokens_are_taken(verifier: IdTokens, claims: dict[str, Any], taken: bool) -> None:
    assert await refused(verifier, id_token(**claims)) is not taken


async def test_a_signature_is_by_a_key_that_the_issuer_publishes(verifier: IdTokens) -> None:
    claims = jwt.decode(id_token(), options={"verify_signature": False})
    public = key_text()
    forged = [
        id_token(OTHER_RSA),
        id_token(kid="k2"),
        jwt.encode(claims, "", "none", {"kid": "k1"}),
        jwt.encode(claims, "a secret of more than 32 characters", "HS256", {"kid": "k1"}),
        by_public_key(claims, public),
        id_token()[:-6] + "AAAAAA",
        "a.b.c",
        "",
    ]

    assert [await refused(verifier, each) for each in forged] == [True] * len(forged)


def key_text() -> bytes:
    encoding = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return RSA.public_key().public_bytes(*encoding)


def by_public_key(claims: dict[str, Any], public: bytes) -> str:
    """Sign by HS256 with what everybody knows: PyJWT refuses to, so by hand."""
    parts = [{"alg": "HS256", "kid": "k1"}, claims]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return (signed + b"." + base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    ("claimed", "given", "taken"),
    [
        ("n-1", "n-1", True),
        (DIGEST, "n-1", True),
        ("n-1", "", True),
        (None, "", True),
        ("n-2", "n-1", False),
        (None, "n-1", False),
        (5, "n-1", False),
        (5, "5", False),
        (None, "None", False),
        ("n-1", DIGEST, False),
    ],
)
async def test_a_nonce_that_is_sent_is_in_the_token(verifier: IdTokens, claimed: Any, given: str, taken: bool) -> None:
    assert await refused(verifier, id_token(nonce=claimed), nonce=given) is not taken


@pytest.mark.parametrize(
    ("claims", "kept"),
    [
        ({"email": "ann@shop.example", "email_verified": True}, {"email": "ann@shop.example"}),
        ({"email": "ann@shop.example", "email_verified": "true"}, {"email": "ann@shop.example"}),
        ({"email": "ann@shop.example", "email_verified": False}, {}),
        ({"email": "ann@shop.example", "email_verified": "false"}, {}),
        ({"email": "ann@shop.example", "email_verified": 1.5}, {}),
        ({"email": "ann@shop.example"}, {}),
        ({"email": ["ann@shop.example"], "email_verified": True}, {}),
        ({"email_verified": True, "picture": "https://p.example/1"}, {"picture": "https://p.example/1"}),
    ],
)
async def test_an_address_counts_where_it_is_verified(verifier: IdTokens, claims: Any, kept: dict[str, Any]) -> None:
    assert (await verifier.verified(id_token(**claims), GOOGLE, PROVIDER)).data == kept


@pytest.mark.parametrize(
    ("kind", "claims", "taken"),
    [
        (GOOGLE, {"hd": "shop.example"}, True),
        (GOOGLE, {"hd": "Shop.Example"}, True),
        (GOOGLE, {"hd": "org.example", "email": "ann@shop.example", "email_verified": True}, True),
        (GOOGLE, {"hd": "org.example", "email": "ann@shop.example", "email_verified": False}, False),
        (GOOGLE, {"email": "ann@shop.example", "email_verified": True}, False),
        (GOOGLE, {"email": "ann@gmail.com", "email_verified": True}, True),
        (GOOGLE, {"email": "ann@shop.example@evil.example", "email_verified": True, "hd": "evil.example"}, False),
        (GOOGLE, {"hd": ["shop.example"]}, False),
        (GOOGLE, {}, False),
        (APPLE, {"email": "ann@shop.example", "email_verified": "true"}, True),
        (APPLE, {"hd": "evil.example", "email": "ann@evil.example", "email_verified": "true"}, False),
        (APPLE, {"email": "ann@gro\xdf.example", "email_verified": "true"}, False),
        (FACEBOOK, {"email": "ann@shop.example"}, False),
    ],
)
async def test_domains_that_users_have_to_be_of(verifier: IdTokens, kind: str, claims: Any, taken: bool) -> None:
    provider = OpenID(
        client_ids=frozenset({"client"}), domains=frozenset({"shop.example", "gmail.com", "gross.example"})
    )

    assert await refused(verifier, id_token(provider=kind, **claims), provider, kind) is not taken


async def test_a_key_that_is_not_published_any_more_is_of_no_use(
    verifier: IdTokens, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not await refused(verifier, id_token())
    issuer.keys.clear()
    issuer.publish(OTHER_RSA, "k2")
    assert not await refused(verifier, id_token())
    monkeypatch.setattr(key_sets, "_FRESH_SECONDS", 0.0)

    assert await refused(verifier, id_token())
    monkeypatch.setattr(key_sets, "_BETWEEN_FETCHES", 0.0)
    assert not await refused(verifier, id_token(OTHER_RSA, "k2"))


async def test_an_issuer_that_is_away_keeps_out_who_needs_a_new_key_only(
    verifier: IdTokens, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not await refused(verifier, id_token())
    issuer.close()
    monkeypatch.setattr(key_sets, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(key_sets, "_BETWEEN_FETCHES", 0.0)

    assert not await refused(verifier, id_token())
    with pytest.raises(UnavailableError, match="the keys that sign tokens cannot be fetched"):
        await verifier.verified(id_token(OTHER_RSA, "k2"), GOOGLE, PROVIDER)
    monkeypatch.setattr(key_sets, "_LONGEST_SECONDS", 0.0)
    with pytest.raises(UnavailableError):
        await verifier.verified(id_token(), GOOGLE, PROVIDER)


async def test_keys_are_read_for_one_algorithm_each(issuer: Issuer) -> None:
    sets = KeySets()

    assert await sets.key(issuer.url, "k1", "ES256") is None
    assert await sets.key(issuer.url, "k1", "RS256") is not None


@pytest.mark.parametrize(
    "members",
    [
        pytest.param(json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_RSA)), id="a private key"),
        pytest.param({"use": "enc"}, id="a key to encrypt with"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0"}, id="a secret"),
        pytest.param({"n": 5}, id="a damaged key"),
    ],
)
async def test_a_key_that_verifies_nothing_is_passed_over(
    verifier: IdTokens, issuer: Issuer, members: dict[str, Any]
) -> None:
    issuer.publish(OTHER_RSA, "k2")
    issuer.keys[-1] |= members

    assert await refused(verifier, id_token(OTHER_RSA, "k2"))
    assert not await refused(verifier, id_token())
