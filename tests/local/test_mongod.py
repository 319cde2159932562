"""The embedded mongod: what it keeps over each way to end, and what it says when it cannot start."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import NetworkTimeout, OperationFailure

from local import ports
from local.mongod import Mongod, MongodError, find_mongod


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Mongod]:
    """A mongod of one test, which may be stopped and damaged."""
    running = Mongod(tmp_path / "db", extra_args=["--setParameter", "enableTestCommands=1"]).start()
    yield running
    running.kill()  # an orderly end takes a second


@contextlib.contextmanager
def connect(mongod: Mongod, **options: Any) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongod.uri, **options) as client:
        yield client


def test_it_is_a_replica_set_with_transactions(own: Mongod) -> None:
    with connect(own) as client, client.start_session() as session:
        with session.start_transaction():
            client.lab.notes.insert_one({"_id": 1}, session=session)

        assert client.lab.notes.find_one() == {"_id": 1}


def test_it_takes_the_servers_test_commands(own: Mongod) -> None:
    fail: dict[str, Any] = {"mode": {"times": 1}, "data": {"failCommands": ["insert"], "errorCode": 2}}

    with connect(own, retryWrites=False) as client:
        client.admin.command("configureFailPoint", "failCommand", **fail)

        with pytest.raises(OperationFailure, match="failCommand"):
            client.lab.notes.insert_one({})


@pytest.mark.parametrize("end", [Mongod.stop, Mongod.kill], ids=["stopped", "killed"])
def test_acknowledged_writes_outlive_it(own: Mongod, end: Any) -> None:
    with connect(own) as client:
        client.lab.notes.insert_one({"_id": "kept"})

        end(own)
        own.start()

        assert client.lab.notes.find_one() == {"_id": "kept"}


def test_a_pause_leaves_requests_unanswered(own: Mongod) -> None:
    with connect(own, socketTimeoutMS=200, retryReads=False) as client:
        client.admin.command("ping")

        own.pause()
        with pytest.raises(NetworkTimeout):
            client.admin.command("ping")
        own.resume()

        assert client.admin.command("ping")["ok"] == 1


def test_a_paused_mongod_can_be_stopped(own: Mongod) -> None:
    own.pause()

    own.stop()

    assert own.process.returncode == 0


def test_data_moves_to_another_port(own: Mongod) -> None:
    with connect(own) as client:
        client.lab.notes.insert_one({"_id": "moved"})
    own.stop()

    with Mongod(own.data_dir) as elsewhere, connect(elsewhere) as client:
        client.lab.notes.insert_one({"_id": "new"})
        kept = {note["_id"] for note in client.lab.notes.find()}

    assert elsewhere.port != own.port
    assert kept == {"moved", "new"}


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(MongodError, match=f"port {port} is in use"):
            Mongod(tmp_path, port).start()


def test_a_second_mongod_on_the_data_is_refused(own: Mongod) -> None:
    with pytest.raises(MongodError, match="Another mongod instance is already running"):
        Mongod(own.data_dir).start()


def test_damaged_data_is_reported_with_the_log(own: Mongod) -> None:
    own.stop()
    (own.data_dir / "WiredTiger.turtle").write_bytes(b"damaged")

    with pytest.raises(MongodError, match=r"mongod does not start: .*mongod\.log") as refused:
        own.start()

    assert "WiredTiger" in str(refused.value)


def test_a_wrong_option_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MongodError, match="unrecognised option '--no-such'"):
        Mongod(tmp_path, extra_args=["--no-such"]).start()


def test_an_installed_mongod_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "mongod"
    installed.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_mongod() == installed


def test_a_missing_mongod_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("local.mongod._WHEEL", "no-such-wheel")

    with pytest.raises(MongodError, match="install MongoDB Community Server"):
        find_mongod()
