"""`dozen`, the program: the same commands from any folder, by any name, completed by shells."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import VERSION
from tests.admin.conftest import Told
from tests.hosts import ROOT

PROGRAM = ROOT / "dozen"
SETTINGS = ("MONGO_DB_", "APP_")


def called(program: Path | str, *arguments: str, folder: Path | None = None, env: dict[str, str] | None = None) -> Told:
    """Run the program as a shell does, in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return subprocess.run(
        [str(program), *arguments],
        env=kept | {"COLUMNS": "80", "NO_COLOR": "1"} | (env or {}), cwd=folder,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def completed(shell: str, words: str, tmp_path: Path, **env: str) -> Told:
    """Ask for what completes the last of the words, as the functions of a shell do."""
    asked = {"_DOZEN_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": words}
    return called(PROGRAM, folder=tmp_path, env=asked | env)


def test_it_runs_from_any_folder_through_symbolic_links(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(PROGRAM)
    (tmp_path / "dozen").symlink_to("one")
    done = called("./dozen", "--version", folder=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{VERSION}\n", "")


def test_paths_are_those_of_the_folder_in_which_it_is_called(tmp_path: Path) -> None:
    done = called(PROGRAM, "app", "init", "first", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "first/root_config.json").exists()


@pytest.mark.parametrize("name", ["admin", "shared", "typer"])
def test_nothing_of_that_folder_is_run(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('of the folder')")

    assert called(PROGRAM, "--version", folder=tmp_path).stdout == f"{VERSION}\n"


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (("logins", "unlock", "--help"), "Usage: dozen logins unlock [OPTIONS]"),
        (("nothing",), "Usage: dozen [OPTIONS] COMMAND"),
    ],
)
def test_the_usage_has_the_name_by_which_it_is_called(arguments: tuple[str, ...], usage: str) -> None:
    done = called(PROGRAM, *arguments)
    module = called(Path(sys.executable), "-m", "admin", *arguments, folder=ROOT)

    assert usage in done.stdout + done.stderr
    assert usage.replace("dozen", "python -m admin") in module.stdout + module.stderr


def test_exit_codes_are_those_of_the_module() -> None:
    done = called(PROGRAM, "keys", "list")

    assert (done.returncode, done.stdout) == (2, "")
    assert "no MongoDB is configured" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said_in_a_sentence() -> None:
    done = subprocess.run(["sh", "-c", f"{PROGRAM} --help >/dev/full"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "error: standard output: No space left on device\n"


def test_a_clone_in_which_nothing_is_installed_says_what_to_do(tmp_path: Path) -> None:
    shutil.copy(PROGRAM, tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(Path(sys.executable).resolve())
    done = called(tmp_path / "dozen", "keys", "list")

    assert done.returncode == 1
    assert re.fullmatch(r"dozen lacks \w+: `make run` installs it in a clone; .*\n", done.stderr)


def test_a_release_brings_its_packages(tmp_path: Path) -> None:
    shutil.copy(PROGRAM, tmp_path)
    module = tmp_path / ".python_packages/lib/site-packages/admin/__main__.py"
    module.parent.mkdir(parents=True)
    module.write_text("def start(name):\n    print(name)\n    return 7\n")
    done = called(tmp_path / "dozen")

    assert (done.returncode, done.stdout) == (7, "dozen\n")


def test_another_python_than_the_services_looks_for_it(tmp_path: Path) -> None:
    shutil.copy(PROGRAM, tmp_path)
    (tmp_path / "python3.13").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python3.13").chmod(0o755)
    older = tmp_path / "older.py"
    older.write_text(
        "import runpy, sys\nsys.version_info = (3, 9)\nsys.argv[:] = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    arguments = (str(older), str(tmp_path / "dozen"), "keys", "list")
    found = called(Path(sys.executable), "-B", *arguments, env={"PATH": str(tmp_path)})
    none = called(Path(sys.executable), "-B", *arguments, env={"PATH": "/nowhere"})

    assert found.stdout.split() == [str(tmp_path / "dozen"), "keys", "list"]
    assert (none.returncode, none.stderr) == (1, "dozen needs Python 3.13, as python3.13 on the PATH\n")


@pytest.fixture(scope="module")
def in_bash() -> str:
    """What bash reads once to complete commands."""
    return called(PROGRAM, "--show-completion", "bash").stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("dozen key", {"keys"}),
        ("./dozen app ", {"check", "init"}),
        ("dozen keys create --qu", {"--quota"}),
        ("dozen app init x --access read-", {"read-own", "read-all"}),
        ("dozen --show-completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes(words: str, found: set[str], in_bash: str, tmp_path: Path) -> None:
    (tmp_path / "dozen").symlink_to(PROGRAM)
    script = f"{in_bash}\nCOMP_WORDS=({words.rstrip()}{" ''" * words.endswith(' ')})\n"
    script += f"COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n_dozen_completion {words.partition(' ')[0]}\n"
    done = subprocess.run(
        ["bash", "-c", script + 'printf "%s\\n" "${COMPREPLY[@]}"'],
        env=os.environ | {"PATH": f"{ROOT}:{os.environ['PATH']}"}, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert set(done.stdout.split()) == found


@pytest.mark.parametrize(
    ("shell", "env", "line"),
    [
        ("zsh", {}, '"unlock":"Count failed'),
        ("fish", {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "unlock\tCount failed"),
    ],
)
def test_zsh_and_fish_complete(shell: str, env: dict[str, str], line: str, tmp_path: Path) -> None:
    assert line in completed(shell, "dozen logins unl", tmp_path, **env).stdout


def test_completing_a_command_imports_none(tmp_path: Path) -> None:
    env = {"PYTHONPROFILEIMPORTTIME": "1", "COMP_WORDS": "dozen ke", "COMP_CWORD": "1"}
    done = completed("bash", "", tmp_path, **env)
    imported = set(re.findall(r"^import time:.*\|\s+(\S+)$", done.stderr, re.MULTILINE))

    assert done.stdout == "keys\n"
    assert "typer" in imported
    assert {name.partition(".")[0] for name in imported} & {"bson", "pymongo", "asyncio", "shared", "rich"} == set()


def test_completing_an_option_imports_its_command_alone(tmp_path: Path) -> None:
    env = {"PYTHONPROFILEIMPORTTIME": "1", "COMP_WORDS": "dozen logins unlock --em", "COMP_CWORD": "3"}
    done = completed("bash", "", tmp_path, **env)

    assert done.stdout == "--email\n"
    assert set(re.findall(r"\| +admin\.(\w+)$", done.stderr, re.MULTILINE)) == {
        "__main__",
        "console",
        "folding",
        "output",
        "process",
    }


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".bash_completions/dozen.sh"),
        ("zsh", ".zfunc/_dozen"),
        ("fish", ".config/fish/completions/dozen.fish"),
    ],
)
def test_completion_is_installed_where_the_shell_reads_it(shell: str, place: str, tmp_path: Path) -> None:
    done = called(PROGRAM, "--install-completion", shell, env={"HOME": str(tmp_path)})

    assert done.returncode == 0
    assert place in done.stdout
    assert "_DOZEN_COMPLETE" in (tmp_path / place).read_text()


def test_a_module_cannot_be_completed() -> None:
    done = called(Path(sys.executable), "-m", "admin", "--show-completion", "bash", folder=ROOT)

    assert done.returncode == 2
    assert "call dozen" in done.stderr
