"""Texts that callers carry and only this deployment can read or make: AES-GCM under a key that all processes share."""

import hmac
import secrets
import struct
import time
from base64 import b64decode, urlsafe_b64encode

from pymongo.errors import DuplicateKeyError

from shared.errors import InvalidParameterError
from shared.mongo.control import Control
from shared.settings import Settings

MOST_BYTES = 256 * 1024
"""The bytes of a text."""

_FORM = b"\x01"
_SALT_BYTES = 16
_HEADER_BYTES = len(_FORM) + _SALT_BYTES
_BLOCK = 256  # bytes: a text's length tells no more of what is in it
_HEAD = struct.Struct(">dI")  # when it ends, and how much is content
_NONCE = bytes(12)  # each text has a key of its own


class Seals:
    """The key of a deployment, and what is sealed with it for one caller and one purpose."""

    def __init__(self, control: Control, settings: Settings) -> None:
        """Take where the key is if SESSION_SECRET is not set."""
        self._control = control
        self._settings = settings
        self._key = b""

    async def load(self) -> None:
        """Know the key: derived from SESSION_SECRET, or made once and kept in the control database."""
        if self._key:
            return
        secret = self._settings.session_secret.encode() or await self._kept()
        self._key = hmac.digest(secret, b"dozen seals", "sha256")

    def sealed(self, purpose: str, holder: str, content: bytes, seconds: float) -> str:
        """Return a text with a content, for a holder and so many seconds; raise InvalidParameterError if it is long."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  for those alone who seal

        salt = secrets.token_bytes(_SALT_BYTES)
        plain = _HEAD.pack(time.time() + seconds, len(content)) + content
        plain += bytes(-len(plain) % _BLOCK)
        closed = AESGCM(self._key_of(salt)).encrypt(_NONCE, plain, self._about(_FORM, purpose, holder))
        text = urlsafe_b64encode(_FORM + salt + closed).rstrip(b"=").decode()
        if len(text) > MOST_BYTES:
            raise InvalidParameterError(f"'{purpose}': what it has to hold exceeds {MOST_BYTES} bytes")
        return text

    def opened(self, purpose: str, holder: str, text: str) -> bytes:
        """Return the content of a text; raise InvalidParameterError for one that is not this holder's, or has ended."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        try:
            padded = text[:MOST_BYTES].encode("ascii") + b"=" * (-len(text) % 4)
            closed = b64decode(padded, b"-_", validate=True)
            salt, rest = closed[len(_FORM) : _HEADER_BYTES], closed[_HEADER_BYTES:]
            plain = AESGCM(self._key_of(salt)).decrypt(_NONCE, rest, self._about(closed[: len(_FORM)], purpose, holder))
        except (InvalidTag, ValueError):  # binascii's and Unicode's errors are ValueErrors
            raise InvalidParameterError(f"'{purpose}' is none that you were given") from None
        ends, size = _HEAD.unpack_from(plain)
        if ends < time.time():
            raise InvalidParameterError(f"'{purpose}' has expired")
        return plain[_HEAD.size : _HEAD.size + size]

    def _key_of(self, salt: bytes) -> bytes:
        """Return the key of one text, so that no two are sealed with the same one."""
        return hmac.digest(self._key, salt, "sha256")

    def _about(self, form: bytes, purpose: str, holder: str) -> bytes:
        """Return what a text is bound to, beside its content."""
        parts = (purpose, holder, self._settings.dozen_database)
        texts = [part.encode(errors="surrogateescape") for part in parts]
        return form + b"".join(len(text).to_bytes(8) + text for text in texts)

    async def _kept(self) -> bytes:
        """Return the secret in the control database, made by the first process that needs it."""
        stored = await self._control.secrets.find_one({"_id": "seals"})
        if stored is None:
            made = secrets.token_bytes(32)
            try:
                await self._control.secrets.insert_one({"_id": "seals", "secret": made})
            except DuplicateKeyError:
                return await self._kept()
            return made
        return bytes(stored["secret"])
