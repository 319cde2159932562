"""utils.crypto and utils.jwt are what the libraries of Python say, and believe no token that is not signed."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.depth import examples
from tests.javascript import said

PEM, RAW = serialization.Encoding.PEM, serialization.NoEncryption()
PKCS8, TRADITIONAL = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
PUBLIC, PKCS1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1
SECRET = "a secret of 64 bytes, which is as long as SHA-512 wants it to be"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key(algorithm: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(CURVES[algorithm])


def private(algorithm: str, form: serialization.PrivateFormat = PKCS8) -> str:
    """Return a key that signs by an algorithm of tokens."""
    if algorithm.startswith("HS"):
        return SECRET
    key = ec_key(algorithm) if algorithm in CURVES else rsa_key()
    return key.private_bytes(PEM, form, RAW).decode()


def public(algorithm: str, form: serialization.PublicFormat = PUBLIC) -> str:
    """Return the key that verifies what `private` signs."""
    if algorithm.startswith("HS"):
        return SECRET
    key = ec_key(algorithm) if algorithm in CURVES else rsa_key()
    return key.public_key().public_bytes(PEM, form).decode()


def plain(value: Any) -> Any:
    """Return Extended JSON as values: texts, numbers, and bytes."""
    if not isinstance(value, dict):
        return [plain(each) for each in value] if isinstance(value, list) else value
    if "$binary" in value:
        return base64.b64decode(value["$binary"]["base64"])
    number = value.get("$numberInt", value.get("$numberLong"))
    return {name: plain(each) for name, each in value.items()} if number is None else int(number)


def as_binary(content: bytes) -> Any:
    return {"$binary": {"base64": base64.b64encode(content).decode(), "subType": "00"}}


def result(expression: str, *arguments: Any) -> Any:
    """Return what an expression about `a`, `b`, `c` and `d` is, or the text of the error that it throws."""
    source = f"exports = (a, b, c, d) => {{ try {{ return {expression} }} catch (e) {{ return `${{e}}` }} }}"
    return plain(json.loads(said(source, json.dumps(arguments, default=as_binary))[0]))


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
@given(st.one_of(st.binary(max_size=300), st.text(max_size=100)))
@settings(max_examples=examples(60), deadline=None)
def test_a_hash_is_the_hash(name: str, value: bytes | str) -> None:
    content = value.encode() if isinstance(value, str) else value

    assert result("utils.crypto.hash(a, b)", name, value) == hashlib.new(name, content).digest()


@pytest.mark.parametrize("size", [55, 56, 63, 64, 111, 112, 119, 120, 127, 128, 4096])
def test_a_hash_of_any_length_is_the_hash(size: int) -> None:
    content = bytes(range(256))[:size] * (1 + size // 256)

    found = result("['md5', 'sha1', 'sha256', 'sha512'].map((name) => utils.crypto.hash(name, a))", content)

    assert found == [hashlib.new(name, content).digest() for name in ("md5", "sha1", "sha256", "sha512")]


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512"])
@given(st.text(max_size=100), st.text(max_size=100))
@settings(max_examples=examples(60), deadline=None)
def test_an_hmac_is_the_hmac(name: str, text: str, secret: str) -> None:
    expected = hmac.new(secret.encode(), text.encode(), name)

    found = result("['hex', 'base64'].map((form) => utils.crypto.hmac(a, b, c, form))", text, secret, name)

    assert found == [expected.hexdigest(), base64.b64encode(expected.digest()).decode()]


def test_the_examples_of_app_services_have_their_results() -> None:
    assert result("utils.crypto.hmac('hello!', 'super-secret', 'sha256', 'base64')") == (
        "SUXd6PRMaTXXgBGaGsIHzaDWgTSa6C3D44lRGrvRak0="
    )
    assert result("utils.crypto.hash('sha256', 'hello!').toBase64()") == "zgYJL7lI2f+sfRo3bkBLJrdXW8wR7gWkYV/vT+w6MIs="
    signed = "utils.crypto.hmac(EJSON.stringify({ message: 'MESSAGE' }), '12345', 'sha256', 'hex')"
    assert result(signed) == "828ee180512eaf8a6229eda7eea72323f68e9c0f0093b11a578b0544c5777862"


@given(
    st.text(max_size=100), st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
)
@settings(max_examples=examples(60), deadline=None)
def test_what_is_encrypted_is_aes_gcm_with_its_nonce_before_it(text: str, key: bytes) -> None:
    ours = result("utils.crypto.encrypt('aes', a, b)", text, key)
    theirs = bytes(range(12)) + AESGCM(key).encrypt(bytes(range(12)), text.encode(), None)

    assert AESGCM(key).decrypt(ours[:12], ours[12:], None) == text.encode()
    assert result("utils.crypto.decrypt('aes', a, b)", theirs, key) == text.encode()


@given(st.data())
@settings(max_examples=examples(60), deadline=None)
def test_what_was_changed_is_not_decrypted(data: st.DataObject) -> None:
    key = b"k" * 16
    message = bytearray(b"n" * 12 + AESGCM(key).encrypt(b"n" * 12, b"a text of some length", None))
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))

    assert "was not encrypted with this key" in result("utils.crypto.decrypt('aes', a, b)", bytes(message), key)


@pytest.mark.parametrize("scheme", ["pss", "pkcs1v15"])
@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL])
def test_signatures_of_rsa_are_those_of_others(scheme: str, form: serialization.PrivateFormat) -> None:
    key = rsa_key()
    pads: Any = {"pss": padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), "pkcs1v15": padding.PKCS1v15()}
    longest = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    theirs = key.sign(b"text", longest if scheme == "pss" else pads[scheme], hashes.SHA256())

    ours = result("utils.crypto.sign('rsa', 'text', a, b)", private("RS256", form), scheme)

    key.public_key().verify(ours, b"text", pads[scheme], hashes.SHA256())
    verified = "['text', 'other'].map((each) => utils.crypto.verify('rsa', each, a, b, c))"
    for pem in (public("RS256"), public("RS256", PKCS1)):
        assert [result(verified, pem, each, scheme) for each in (ours, theirs)] == [[True, False]] * 2
    assert result("utils.crypto.verify('rsa', 'text', a, b)", public("RS256"), ours) is (scheme == "pss")


@given(st.data())
@settings(max_examples=examples(40), deadline=None)
def test_a_signature_that_was_changed_is_none(data: st.DataObject) -> None:
    scheme: Any = data.draw(st.sampled_from(["pss", "pkcs1v15"]))
    pad: Any = padding.PSS(padding.MGF1(hashes.SHA256()), 20) if scheme == "pss" else padding.PKCS1v15()
    signature = bytearray(rsa_key().sign(b"text", pad, hashes.SHA256()))
    signature[data.draw(st.integers(0, len(signature) - 1))] ^= data.draw(st.integers(1, 255))

    assert result("utils.crypto.verify('rsa', 'text', a, b, c)", public("RS256"), bytes(signature), scheme) is False


ALGORITHMS = [f"{family}{bits}" for family in ("HS", "RS", "ES", "PS") for bits in (256, 384, 512)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tokens_are_those_of_others(algorithm: str) -> None:
    payload = {"sub": "ann", "n": 5, "text": "häß😀"}
    theirs = jwt.encode(payload, private(algorithm), algorithm, headers={"kid": "k"})

    ours = result("utils.jwt.encode(a, b, c, { kid: 'k', alg: 'none' })", algorithm, payload, private(algorithm))

    assert jwt.decode(ours, public(algorithm), [algorithm]) == payload
    assert jwt.get_unverified_header(ours) == {"alg": algorithm, "typ": "JWT", "kid": "k"}
    for token in (ours, theirs):
        assert result("utils.jwt.decode(a, b)", token, public(algorithm)) == payload
        found = result("utils.jwt.decode(a, b, true, [c])", token, public(algorithm), algorithm)
        assert found == {"header": {"alg": algorithm, "typ": "JWT", "kid": "k"}, "payload": payload}
    other = theirs[:-8] + ("A" if theirs[-8] != "A" else "B") + theirs[-7:]
    assert "its signature is wrong" in result("utils.jwt.decode(a, b)", other, public(algorithm))


@given(st.data())
@settings(max_examples=examples(40), deadline=None)
def test_signatures_on_curves_hold_for_any_key_and_text(data: st.DataObject) -> None:
    algorithm = data.draw(st.sampled_from(sorted(CURVES)))
    key = ec.derive_private_key(data.draw(st.integers(1, 2**255)), CURVES[algorithm])
    payload = {"a": data.draw(st.text(max_size=20))}
    for form in (PKCS8, TRADITIONAL):
        token = result("utils.jwt.encode(a, b, c)", algorithm, payload, key.private_bytes(PEM, form, RAW).decode())
        assert jwt.decode(token, key.public_key(), [algorithm]) == payload
    pem = key.public_key().public_bytes(PEM, PUBLIC).decode()
    assert result("utils.jwt.decode(a, b)", jwt.encode(payload, key, algorithm), pem) == payload


def token_of(header: Any, payload: Any, signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts)


def confused(algorithm: str, key: str) -> str:
    """Return a token of an HMAC whose secret is a public key."""
    message = token_of({"alg": algorithm}, {"admin": True}).removesuffix(".")
    digest = hmac.new(key.encode(), message.encode(), "sha256").digest()
    return f"{message}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


HS = jwt.encode({"a": 1}, SECRET, "HS256")


@pytest.mark.parametrize(
    ("token", "key", "rest", "why"),
    [
        (lambda: token_of({"alg": "none"}, {}), SECRET, "", "its algorithm is not one of this key"),
        (lambda: token_of({"alg": "None"}, {}), SECRET, ", ['None']", "its algorithm is not one of this key"),
        (lambda: token_of({"alg": "none"}, {}), "RS256", ", ['none']", "its algorithm is not one of this key"),
        (lambda: token_of({"alg": "__proto__"}, {}), SECRET, "", "its algorithm is not one of this key"),
        (lambda: token_of({"alg": ["HS256"]}, {}), SECRET, "", "its algorithm is not one of this key"),
        (lambda: token_of({}, {}), SECRET, "", "its algorithm is not one of this key"),
        (lambda: confused("HS256", public("RS256")), "RS256", "", "its algorithm is not one of this key"),
        (lambda: confused("HS256", public("RS256")), "RS256", ", ['HS256']", "its algorithm is not one of this key"),
        (lambda: jwt.encode({}, private("ES384"), "ES384"), "ES256", "", "its algorithm is not one of this key"),
        (lambda: jwt.encode({}, private("RS256"), "RS256"), "RS256", ", ['PS256']", "its algorithm is not accepted"),
        (lambda: HS, SECRET, ", []", "its algorithm is not accepted"),
        (lambda: HS, SECRET, ", 'HS256'", "must be an array"),
        (lambda: HS, "other", "", "its signature is wrong"),
        (lambda: HS, "", "", "must be a string that is not empty"),
        (lambda: HS, None, "", "must be a string that is not empty"),
        (lambda: HS + "=", SECRET, "", "not base64url"),
        (lambda: HS[:-1], SECRET, "", "not base64url|signature is wrong"),
        (lambda: HS + ".", SECRET, "", "it has not three parts"),
        (lambda: "a.b", SECRET, "", "it has not three parts"),
        (lambda: token_of([], {}), SECRET, "", "no JSON object"),
        (lambda: jwt.encode({"exp": 1}, SECRET), SECRET, "", "it has expired"),
        (lambda: jwt.encode({"nbf": 2**40}, SECRET), SECRET, "", "it is not valid yet"),
        (lambda: jwt.encode({}, SECRET, headers={"crit": ["b64"]}), SECRET, "", "its header asks for what is not done"),
        (lambda: token_of({"alg": "ES256"}, {}, bytes(64)), "ES256", "", "its signature is wrong"),
        (lambda: token_of({"alg": "RS256"}, {}, bytes(256)), "RS256", "", "its signature is wrong"),
        (lambda: token_of({"alg": "PS256"}, {}, b"\1" * 256), "RS256", "", "its signature is wrong"),
    ],
)  # fmt: skip
def test_a_token_that_proves_nothing_is_refused(token: Callable[[], str], key: str | None, rest: str, why: str) -> None:
    found = result(f"utils.jwt.decode(a, b, false{rest})", token(), public(key) if key in ALGORITHMS else key)

    assert any(each in found for each in why.split("|"))


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("utils.jwt.encode('none', {}, 'x')", "'none' is no algorithm of tokens"),
        ("utils.jwt.encode('HS256', {}, a)", "HS256 does not sign with a key of this kind"),
        ("utils.jwt.encode('RS256', {}, 'x')", "RS256 does not sign with a key of this kind"),
        ("utils.jwt.encode('RS256', {}, a)", "signing takes a private key"),
        ("utils.jwt.encode('HS256', 'x', 'x')", "payload of a token must be an object"),
        ("utils.crypto.hash('sha3', 'x')", "'hash function' must be one of"),
        ("utils.crypto.hmac('x', 'x', 'md5', 'hex')", "'hash function' must be one of"),
        ("utils.crypto.hmac('x', 'x', 'sha1', 'latin1')", "'output format' must be one of"),
        ("utils.crypto.hmac('x', undefined, 'sha1', 'hex')", "'secret' must be a string or a BSON.Binary"),
        ("utils.crypto.hash('sha1', 5)", "'input' must be a string or a BSON.Binary"),
        ("utils.crypto.encrypt('des', 'x', 'x')", "'encryption type' must be one of"),
        ("utils.crypto.encrypt('aes', 'x', 'x')", "a key of AES has 16, 24 or 32 bytes"),
        ("utils.crypto.decrypt('aes', BSON.Binary.fromText('x'), 'k'.repeat(16))", "too short to be encrypted"),
        ("utils.crypto.sign('rsa', 'x', a, 'oaep')", "'signature scheme' must be one of"),
        ("utils.crypto.sign('rsa', 'x', 'x')", "the key cannot be read: it is no PEM"),
        ("utils.crypto.sign('rsa', 'x', '-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----')", "cannot be read"),
        ("utils.crypto.sign('rsa', 'x', '-----BEGIN PUBLIC KEY-----MIL/-----END PUBLIC KEY-----')", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_not_done_is_refused_by_name(expression: str, why: str) -> None:
    assert why in result(expression, public("RS256"))


def test_a_key_in_one_line_is_read() -> None:
    pem = private("RS256").replace("\n", "\\n")

    assert result("utils.jwt.encode('RS256', {}, a).split('.').length", pem) == 3


def test_random_bytes_come_once() -> None:
    source = "exports = () => [1, 2].map(() => utils.crypto.encrypt('aes', '', 'k'.repeat(16)).toHex())"
    drawn = [each for _ in range(2) for each in json.loads(said(source)[0])]

    assert len(set(drawn)) == 4


def test_what_a_function_overwrites_makes_no_token_valid() -> None:
    source = """exports = (token, secret) => {
      Uint8Array.prototype.every = Array.prototype.every = () => true;
      Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), "length", { get: () => 0 });
      String.prototype.charCodeAt = () => 65;
      BigInt.asUintN = () => 0n;
      Array.prototype[Symbol.iterator] = function* () {};
      globalThis.Uint8Array = globalThis.Int32Array = Array;
      try { return utils.jwt.decode(token, secret) } catch (e) { return `${e}` }
    }"""

    assert json.loads(said(source, json.dumps([HS, SECRET]))[0]) == {"a": {"$numberInt": "1"}}
    assert "signature is wrong" in said(source, json.dumps([HS[:-8] + "AAAAAAAA", SECRET]))[0]
