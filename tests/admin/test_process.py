"""What every admin command does alike: a failure is one sentence, and an exit code for scripts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.admin.conftest import Command


@pytest.mark.parametrize("words", [("doctor",), ("keys", "list"), ("keys", "list", "--json")], ids=" ".join)
def test_a_result_that_cannot_be_written_is_one_sentence(command: Command, words: tuple[str, ...]) -> None:
    command.env["DOZEN_DATABASE"] = "unwritten"
    with Path("/dev/full").open("w") as full:
        process = command.start(*words, stdout=full)
        _, said = process.communicate(timeout=120)

    assert (process.returncode, said.decode()) == (1, "error: standard output: No space left on device\n")


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "create", "--name", "\udcff"),
        ("users", "create", "--email", "\udcff@b", "--password", "secret words"),
        ("users", "reset-password", "--email", "\udcff@b"),
        ("indexes", "list", "--namespace", "shop.\udcff"),
        ("indexes", "drop", "\udcff", "--namespace", "shop.orders", "--yes"),
        ("sample", "load", "--database", "\udcff"),
        ("export", "--namespace", "shop.\udcff", "--out", "x"),
        ("import", "--namespace", "shop.\udcff", "--in", "x"),
        ("access", "explain", "--user", "x", "--namespace", "a.b", "--action", "find", "--document", '{"a":"\udcff"}'),
        ("export", "--namespace", "a.b", "--filter", '{"a":"\udcff"}', "--out", "x"),
        ("indexes", "create", "a", "--namespace", "a.b", "--partial", '{"a":"\udcff"}'),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_an_argument_that_is_not_utf_8_is_one_sentence(command: Command, words: tuple[str, ...]) -> None:
    (command.folder / "x").write_text("{}")

    done = command(*words)

    assert done.returncode in {1, 2}
    assert re.fullmatch(r"error: .+\n", done.stderr.decode(errors="backslashreplace"))


async def test_a_path_that_is_not_utf_8_is_in_the_json(command: Command, moved: Any) -> None:
    await moved["from"].insert_one({"_id": 1})

    exported = command("export", "--namespace", "moved.from", "--out", "\udcff", "--json")
    imported = command("import", "--namespace", "moved.to", "--in", "\udcff", "--json")

    assert json.loads(exported.stdout)["out"] == "\ufffd"
    assert json.loads(imported.stdout)["in"] == "\ufffd"
