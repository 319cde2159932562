"""Which database a run takes, and where it finds its own again."""

import socket
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from local import environment, lock, ports
from local.database import database, reach
from local.errors import LocalError


def films(uri: str) -> int:
    with MongoClient[dict[str, Any]](uri) as client:
        return client.sample_films.films.count_documents({})


def test_its_own_mongod_keeps_its_port(tmp_path: Path) -> None:
    (tmp_path / "port").write_text(f"{ports.free_port()}\n")

    with database({}, tmp_path) as first:
        pass
    with database({}, tmp_path) as second:
        assert films(second.settings.control_uri) == 120

    assert first.settings.control_uri == second.settings.control_uri
    assert (first.loaded > 0, second.loaded) == (True, 0)


def test_a_taken_port_is_left_for_another(tmp_path: Path) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        (tmp_path / "port").write_text(str(other.getsockname()[1]))

        with database({}, tmp_path) as chosen:
            assert films(chosen.settings.control_uri) == 120
            assert (tmp_path / "port").read_text().strip() in chosen.settings.control_uri
            assert str(other.getsockname()[1]) not in chosen.settings.control_uri


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"MONGO_DB_URI": "mongodb://db.example/"}, id="by address"),
        pytest.param({"MONGO_DB_HOST": "db.example"}, id="by host"),
        pytest.param({"MONGO_DB_URI__EU": "mongodb://db.example/"}, id="by a named source"),
    ],
)
def test_a_named_database_needs_no_mongod(tmp_path: Path, environ: dict[str, str]) -> None:
    with database(environ, tmp_path) as chosen:
        assert chosen.process is None
        assert chosen.environ == environ

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("user", ["", "ann:planted@", "ann:pl%2Fanted@"])
def test_a_database_is_named_without_its_password(
    user: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with database({"MONGO_DB_URI": f"mongodb://{user}db.example:27018/shop?appName=x"}, tmp_path):
        assert "using MONGO_DB_URI of .env (db.example:27018)" in capsys.readouterr().out


def test_a_database_that_does_not_answer_is_said_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.database._REACH_S", 0.1)
    monkeypatch.setenv("MONGO_DB_URI", f"mongodb://ann:planted@{ports.LOOPBACK}:{ports.free_port()}/")
    with (
        database(environment.read_environment(), tmp_path) as chosen,
        pytest.raises(LocalError, match="refused; unset MONGO_DB_URI of the environment to get a mongod") as refused,
    ):
        reach(chosen)

    assert "planted" not in str(refused.value)


def test_an_empty_setting_names_no_database() -> None:
    assert not environment.brings_database({"MONGO_DB_URI": "", "MONGO_DB_HOST": " ", "MONGO_DB_PORT": "27017"})


def test_the_environment_wins_over_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("LISTEN_PORT=1\nLOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("LISTEN_PORT", "2")
    monkeypatch.delenv("LOG_LEVEL", raising=False)

    environ = environment.read_environment(tmp_path / ".env")

    assert (environ["LISTEN_PORT"], environ["LOG_LEVEL"]) == ("2", "DEBUG")


def test_a_missing_dotenv_is_no_error(tmp_path: Path) -> None:
    assert "PATH" in environment.read_environment(tmp_path / ".env")


def test_a_directory_has_one_user_at_a_time(tmp_path: Path) -> None:
    with (
        lock.exclusive(tmp_path, "a"),
        pytest.raises(LocalError, match="Another run uses"),
        lock.exclusive(tmp_path, "b"),
    ):
        pass

    with lock.exclusive(tmp_path, "b"):
        assert (tmp_path / "lock").exists()
