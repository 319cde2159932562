"""What a deployment without a password talks to: Azure's identity endpoint, and a MongoDB that takes its tokens.

Neither exists outside the cloud: Community Server has no MONGODB-OIDC. Both are real servers on 127.0.0.1.
"""

import asyncio
import json
import struct
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import bson
import jwt
from bson.objectid import ObjectId

from local.ports import LOOPBACK, free_port

SECRET = "the key that signs the tokens of the tests"
IDENTITY_HEADER = "planted-identity-header"

_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_HEADER = struct.Struct("<iiii")
_HELLOS = {"hello", "ismaster", "isMaster"}
_REAUTHENTICATE = {"ok": 0.0, "code": 391, "codeName": "ReauthenticationRequired", "errmsg": "the token is too old"}
_REFUSED = {"ok": 0.0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
_UNAUTHORIZED = {"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": "command requires authentication"}


class _Listener:
    """A server on a free port of this machine."""

    def __init__(self) -> None:
        self.port = free_port()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class IdentityEndpoint(_Listener):
    """What Azure Functions, App Service and Container Apps offer in IDENTITY_ENDPOINT."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, str]] = []  # the query of each request, with its header
        self.tokens: list[str] = []
        self.lifetime_s = 3_600
        self.answer: Callable[[str], tuple[int, Any]] | None = None  # instead of a token, made of a good one

    @property
    def env(self) -> dict[str, str]:
        return {"IDENTITY_ENDPOINT": f"http://{LOOPBACK}:{self.port}/msi/token", "IDENTITY_HEADER": IDENTITY_HEADER}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            request, *lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            query = parse_qs(urlsplit(request.split(" ")[1]).query)
            asked = {name: values[0] for name, values in query.items()}
            self.asked.append(asked | {"header": headers.get("x-identity-header", "")})
            status, members = self._answer(asked["resource"])
            body = json.dumps(members).encode()
            head = f"HTTP/1.1 {status} Fine\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

    def _answer(self, audience: str) -> tuple[int, Any]:
        expires = int(time.time()) + self.lifetime_s
        claims = {"aud": audience, "exp": int(time.time()) + 3_600, "sub": "dozen", "jti": str(ObjectId())}
        token = jwt.encode(claims, SECRET, algorithm="HS256")
        self.tokens.append(token)
        if self.answer:
            return self.answer(token)
        return 200, {"access_token": token, "expires_on": str(expires), "resource": audience, "token_type": "Bearer"}


class OidcMongo(_Listener):
    """A MongoDB as far as MONGODB-OIDC, ping and find go; it answers nobody without a good token."""

    def __init__(self, audience: str, documents: dict[str, list[dict[str, Any]]] | None = None) -> None:
        super().__init__()
        self.audience = audience
        self.documents = documents or {}  # by collection; no filter is looked at
        self.presented: list[str] = []  # every token that a client sent
        self.commands: list[str] = []
        self.too_old: set[str] = set()  # tokens that no longer count

    @property
    def uri(self) -> str:
        return f"mongodb://{LOOPBACK}:{self.port}/?tls=false"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        signed_in_with = ""
        while True:
            length, number, _, code = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            content = await reader.readexactly(length - _HEADER.size)
            command = _query(content) if code == _OP_QUERY else _message(content)
            if next(iter(command)) == "saslStart":
                signed_in_with, answer = self._sign_in(command)
            else:
                answer = self._answer(command, signed_in_with)
            writer.write(_reply(number, answer) if code == _OP_QUERY else _message_reply(number, answer))
            await writer.drain()

    def _sign_in(self, command: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        token = bson.decode(command["payload"]).get("jwt", "")
        self.presented.append(token)
        if command["mechanism"] != "MONGODB-OIDC" or command["$db"] != "$external" or not self._is_good(token):
            return "", _REFUSED
        return token, {"ok": 1.0, "conversationId": 1, "done": True, "payload": b""}

    def _is_good(self, token: str) -> bool:
        try:
            jwt.decode(token, SECRET, algorithms=["HS256"], audience=self.audience)
        except jwt.InvalidTokenError:
            return False
        return token not in self.too_old

    def _answer(self, command: dict[str, Any], token: str) -> dict[str, Any]:
        name = next(iter(command))
        if name in _HELLOS:
            return {
                "ok": 1.0, "ismaster": True, "isWritablePrimary": True, "helloOk": True, "maxWireVersion": 21,
                "minWireVersion": 0, "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
                "maxWriteBatchSize": 100_000, "readOnly": False, "logicalSessionTimeoutMinutes": 30,
            }  # fmt: skip
        if not token:
            return _UNAUTHORIZED
        if token in self.too_old:
            return _REAUTHENTICATE
        self.commands.append(name)
        if name in {"find", "aggregate"}:
            found = self.documents.get(command[name], [])
            namespace = f"{command['$db']}.{command[name]}"
            return {"ok": 1.0, "cursor": {"id": bson.Int64(0), "ns": namespace, "firstBatch": found}}
        return {"ok": 1.0}


def _query(content: bytes) -> dict[str, Any]:
    return bson.decode(content[content.index(b"\0", 4) + 1 + 8 :])  # flags, a name, skip, return


def _message(content: bytes) -> dict[str, Any]:
    size: int = struct.unpack_from("<i", content, 5)[0]
    return bson.decode(content[5 : 5 + size])  # flags, the kind of section: the body comes first


def _reply(number: int, answer: dict[str, Any]) -> bytes:
    return _framed(number, _OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer))


def _message_reply(number: int, answer: dict[str, Any]) -> bytes:
    return _framed(number, _OP_MSG, struct.pack("<IB", 0, 0) + bson.encode(answer))


def _framed(number: int, code: int, content: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(content), number, number, code) + content
