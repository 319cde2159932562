"""What logs in may wait for others than MongoDB: a hash, a mail server, an issuer. All other calls go on."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.ports import LOOPBACK
from shared.admission import WAITING
from shared.app.model import GOOGLE
from shared.auth import passwords
from shared.auth.passwords import Passwords
from shared.errors import OverloadedError
from shared.service import process
from tests.conftest import restart
from tests.functions.rules.conftest import SETTINGS, Known, send
from tests.functions.rules.test_id_tokens import provider
from tests.functions.rules.test_mail import ADDRESS, CONFIG, USERPASS, answered
from tests.functions.rules.test_sessions import LOGIN
from tests.hosts import ROOT, Worker, eventually
from tests.post_office import PostOffice
from tests.shared.auth.test_id_tokens import id_token

FEW = 2


@pytest.fixture
def configure(configured: pytest.MonkeyPatch, worker: Worker, users: None, tmp_path: Path) -> Callable[..., None]:
    """Have the worker do few calls at once, with other settings."""
    app = Path(shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop"))
    file = app / "auth" / "providers.json"
    added = {"local-userpass": {"type": "local-userpass", "config": CONFIG | {"autoConfirm": True}}}
    file.write_text(json.dumps(json.loads(file.read_text()) | added | {GOOGLE: provider(GOOGLE)}))

    def configure(**env: str) -> None:
        for name, value in (SETTINGS | {"APP_CONFIG_DIR": str(app), "MAX_CALLS": str(FEW)} | env).items():
            configured.setenv(name, value)
        restart()

    return configure


async def anonymous(worker: Worker) -> int:
    return (await send(worker, "POST", f"{LOGIN}/anon-user/login", {})).status


async def test_those_who_wait_for_a_mail_server_keep_nobody_from_mongodb(
    configure: Callable[..., None], worker: Worker, known: Known
) -> None:
    async with PostOffice() as office:
        configure(MAIL_SMTP_URL=f"smtp://{LOOPBACK}:{office.port}", MAIL_FROM="noreply@shop.example")
        await known(worker, ADDRESS)
        office.opened.clear()
        body = {"email": ADDRESS}
        sending = [asyncio.create_task(send(worker, "POST", f"{USERPASS}/reset/send", body)) for _ in range(FEW)]
        await eventually(lambda: answered(office.visitors == FEW), 60)

        other = await anonymous(worker)
        office.opened.set()
        await asyncio.wait(sending)

    assert other == 200


async def test_those_whose_passwords_are_hashed_keep_nobody_from_mongodb(
    configure: Callable[..., None], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    opened, hashing = threading.Event(), threading.Semaphore(0)

    def slow(_: str) -> str:
        hashing.release()
        opened.wait(60)
        return "a hash"

    monkeypatch.setattr(process.service().passwords, "_hash", slow)
    bodies = [{"email": f"{number}@b.c", "password": "secret words"} for number in range(FEW)]
    registering = [asyncio.create_task(send(worker, "POST", f"{USERPASS}/register", body)) for body in bodies]
    for _ in range(FEW):
        await asyncio.to_thread(hashing.acquire)

    other = await anonymous(worker)
    opened.set()
    await asyncio.wait(registering)

    assert other == 200
    assert [each.result().status for each in registering] == [201] * FEW


async def test_those_who_wait_for_an_issuer_keep_nobody_from_mongodb(
    configure: Callable[..., None], worker: Worker
) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent, LOOPBACK, 0) as issuer:
        port = issuer.sockets[0].getsockname()[1]
        configure(OAUTH2_JWKS_URLS=f"{GOOGLE}=http://{LOOPBACK}:{port}/keys")
        path, body = f"{LOGIN}/{GOOGLE}/login", {"id_token": id_token()}
        waiting = [asyncio.create_task(send(worker, "POST", path, body)) for _ in range(FEW)]
        await asked.wait()

        other = await anonymous(worker)
        over.set()
        await asyncio.wait(waiting)

    assert other == 200
    assert {each.result().status for each in waiting} == {503}


async def test_a_hundred_who_register_at_once_are_registered(
    configure: Callable[..., None], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_WAIT_SECONDS", 120.0)
    configure(MAX_CALLS="62")
    monkeypatch.setattr(process.service().passwords, "_hash", slow_hash)
    bodies = [{"email": f"{number}@b.c", "password": "secret words"} for number in range(100)]

    made = await asyncio.gather(*(send(worker, "POST", f"{USERPASS}/register", body) for body in bodies))

    assert [each.status for each in made] == [201] * 100


def slow_hash(_: str) -> str:
    time.sleep(0.08)
    return "a hash"


async def test_who_would_wait_too_long_for_a_hash_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher, opened = Passwords(), threading.Event()
    monkeypatch.setattr(hasher, "_hash", lambda _: str(opened.wait(60)))
    most = passwords._AT_ONCE + WAITING
    hashing = [asyncio.create_task(hasher.hashed("secret words")) for _ in range(most)]
    await asyncio.sleep(0)

    with pytest.raises(OverloadedError, match="too many passwords at once"):
        await hasher.hashed("secret words")
    opened.set()

    assert await asyncio.gather(*hashing) == ["True"] * most
