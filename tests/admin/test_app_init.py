"""A first app, written by `app init`."""

import itertools
from pathlib import Path

import pytest

from tests.admin.conftest import Command, told

PROVIDERS = ("api-key", "anon-user", "local-userpass")
CHOICES = [
    (*(f"--provider={each}" for each in PROVIDERS[:count]), f"--access={access}", *scope)
    for count, access, scope in itertools.product(
        range(4), ("owner", "read-own", "read-all", "all"), ((), ("--namespace=shop.orders", "--owner=user_id"))
    )
]


@pytest.mark.parametrize("flags", CHOICES, ids=" ".join)
def test_what_is_written_passes_the_check(flags: tuple[str, ...], tmp_path: Path) -> None:
    command = Command(tmp_path)
    written = told(command("app", "init", "first", "--app-id=shop-abcde", *flags))
    checked = told(command("app", "check", "first"))
    assert (written.returncode, checked.returncode) == (0, 0)
    assert "export APP_CONFIG_DIR=first" in written.stdout
    assert "0 problems, 0 warnings, 0 unsupported" in checked.stdout


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "mine.txt").write_text("mine")
    done = told(Command(tmp_path)("app", "init", "first"))
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert [each.name for each in (tmp_path / "first").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "flag",
    [
        "--app-id=a/b",
        "--data-source=../x",
        "--namespace=shop",
        "--namespace=shop.",
        "--namespace=shop.../x",
        "--namespace=../x.y",
        "--namespace=shop.a/b",
        "--namespace=admin.users",
        "--namespace=shop.system.views",
        "--owner=$where",
        "--owner=",
        "--owner=%%true",
    ],
)
def test_a_bad_name_is_refused_and_nothing_written(flag: str, tmp_path: Path) -> None:
    done = told(Command(tmp_path)("app", "init", "first", flag))
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
