"""The functions of an exported app: what is read of them, and what is found wrong or missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.app.model import Functions
from shared.app.reading import load
from shared.javascript.messages import Texts
from tests.javascript import told
from tests.shared.app.test_loading import SECRETS, Edit, edit, folder, problems

__all__ = ["edit", "folder"]

LISTED = "functions/config.json"


def functions(folder: Path) -> Functions:
    return load(folder, SECRETS).functions


def found(folder: Path) -> list[tuple[str, str, str]]:
    return [(each.file, each.sentence, each.effect) for each in load(folder, SECRETS).findings]


@pytest.fixture(autouse=True)
def no_functions(folder: Path) -> None:
    """The app of the tests, without its function."""
    (folder / "functions" / "echo.js").unlink()


def test_an_app_without_functions_has_none(folder: Path) -> None:
    assert functions(folder) == Functions(by_name={}, sources=Texts(), seen="")


def test_functions_are_read_with_what_is_said_of_them(folder: Path, edit: Edit) -> None:
    edit(LISTED, json.dumps([
        {"name": "a", "private": True, "run_as_system": True, "run_as_user_id": "", "id": "5"},
        {"name": "b/c", "run_as_user_id": "u", "can_evaluate": {"%%user.id": "u"}},
    ]))  # fmt: skip
    edit("functions/a.js", "exports = 1")
    edit("functions/b/c.js", "exports = 2")
    edit("functions/node_modules/x.js", "exports = 3")
    edit("functions/b.js", "exports = 4")

    read = functions(folder)

    assert told(read.sources) == {"a": "exports = 1", "b/c": "exports = 2", "b": "exports = 4"}
    a, bc, b = (read.by_name[name] for name in ("a", "b/c", "b"))
    assert (a.private, a.run_as_system, a.run_as_user_id) == (True, True, "")
    assert (bc.private, bc.run_as_system, bc.run_as_user_id) == (False, False, "u")
    assert (b.private, b.run_as_system, b.run_as_user_id) == (False, False, "")
    assert [each.can_evaluate is not None and each.can_evaluate.constant for each in (a, bc, b)] == [True, None, True]
    systems = {name: is_system for name, (_, _, is_system, _) in json.loads(read.sources.places).items()}
    assert systems == {"a": True, "b/c": False, "b": None}


def test_functions_of_the_older_layout_are_read(folder: Path, edit: Edit) -> None:
    edit("functions/old/config.json", {"id": "5", "name": "older", "private": True})
    edit("functions/old/source.js", "exports = 1")

    read = functions(folder)

    assert told(read.sources) == {"older": "exports = 1"}
    assert read.by_name["older"].private


def test_secrets_that_functions_see_are_not_shown(folder: Path, edit: Edit) -> None:
    edit("functions/a.js", "exports = 1")

    assert '"hook":"h"' in functions(folder).seen
    assert "hook" not in repr(functions(folder))


@pytest.mark.parametrize(
    ("file", "content", "place", "sentence"),
    [
        (LISTED, '[{"name": "a"}]', "[0]", "function 'a' has no file functions/a.js"),
        (LISTED, '[{"name": "../a"}]', "[0].name", "the name of a function is letters"),
        (LISTED, '[{"private": true}]', "[0].name", "the name of a function is letters"),
        (LISTED, '[{"name": "b"}, {"name": "b"}]', "[1].name", "there are two functions 'b'"),
        (LISTED, '[{"name": "b", "private": "yes"}]', "[0].private", "'private' must be true or false"),
        (LISTED, '[{"name": "b", "can_evaluate": {"%%nobody": 1}}]', "[0].can_evaluate", "nobody"),
        (LISTED, "[5]", "[0]", "a function is an object with its name"),
        (LISTED, "{", "", "the file cannot be read"),
        ("functions/old/config.json", "{}", "", "function 'old' has no file functions/old/source.js"),
        ("functions/b.js", "exports = '\0'", "", "the file holds a NUL character"),
    ],
)
def test_mistakes_are_named_with_their_file(
    folder: Path, edit: Edit, file: str, content: str, place: str, sentence: str
) -> None:
    edit("functions/b.js", "exports = () => 1")
    edit(file, content)

    ((found_file, found_place, found_sentence),) = problems(folder)

    assert (found_file, found_place) == (file, place) or sentence in found_sentence
    assert sentence in found_sentence


def test_a_source_that_is_no_text_is_named(folder: Path) -> None:
    (folder / "functions" / "a.js").write_bytes(b"exports = '\xff'")

    assert problems(folder) == [("functions/a.js", "", "the file is not UTF-8")]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("exports = () => {\n  let a = ;\n}",
         "function 'a' cannot be loaded: SyntaxError: unexpected token in expression: ';', in line 2"),
        ("export default 5", "function 'a' cannot be loaded: SyntaxError"),
        ("}; for (;;) {} function a() {", "function 'a' cannot be loaded: InternalError: interrupted"),
        ("\nconst _ = require('lodash/clone');", "function 'a': package 'lodash/clone' is not there, in line 2"),
        ("exports = (db) => { const n = db.getCollectionNames(); return n }",
         "function 'a': getCollectionNames() has to be awaited, in line 1"),
        ("exports = (c) => {\n  return c.admin().getDBNames().length }",
         "function 'a': getDBNames() has to be awaited, in line 2"),
        ('exports = () => context.services.get("sms")',
         "function 'a': service 'sms' is not served: ask by context.http, in line 1"),
        ("exports = () => context.http.get({})",
         "function 'a': context.http reaches nobody while FUNCTIONS_HTTP_HOSTS is empty, in line 1"),
    ],
)  # fmt: skip
def test_what_does_not_run_here_is_named_with_its_line(folder: Path, edit: Edit, source: str, sentence: str) -> None:
    edit("functions/a.js", source)

    ((file, text, _),) = found(folder)

    assert file == "functions/a.js"
    assert sentence in text


SCRIPT = "run_as_user_id_script_source"


def test_a_script_chooses_the_user_unless_another_member_does(folder: Path, edit: Edit) -> None:
    script = "exports = () => 1"
    edit(LISTED, json.dumps([
        {"name": "a", SCRIPT: script}, {"name": "b", SCRIPT: script, "run_as_system": True}, {"name": "c", SCRIPT: " "},
    ]))  # fmt: skip
    for name in "abc":
        edit(f"functions/{name}.js", f"exports = '{name}'")

    read = functions(folder)

    assert [read.by_name[name].script for name in "abc"] == [script, "", ""]
    assert list(read.scripts) == ["a"]
    seen = read.scripts["a"]
    assert told(seen.sources) == {"a": script, "b": "exports = 'b'", "c": "exports = 'c'"}
    assert (seen.by_name["a"].run_as_system, seen.by_name["a"].private, seen.scripts) == (True, True, {})


def test_a_script_beside_a_user_is_a_mistake(folder: Path, edit: Edit) -> None:
    edit(LISTED, json.dumps([{"name": "a", SCRIPT: "exports = () => 1", "run_as_user_id": "u"}]))
    edit("functions/a.js", "exports = 1")

    assert problems(folder) == [(LISTED, f"[0].{SCRIPT}", "'run_as_user_id' chooses the user already")]


def test_what_a_script_needs_is_named(folder: Path, edit: Edit) -> None:
    edit(LISTED, json.dumps([{"name": "a", SCRIPT: "exports = () => {"}]))
    edit("functions/a.js", "exports = 1")

    ((file, text, _),) = found(folder)

    assert (file, text.partition(":")[0]) == (LISTED, "function 'a' cannot be loaded")


@pytest.mark.parametrize(
    "source",
    [
        "", "exports = () => context.services.get('mongodb-atlas')", "// nothing",
        "exports = async (db) => { const all = (await db.getCollectionNames()).length }",
        "exports = (db) => db.getCollectionNames()", "exports = (db) => { return db.getCollectionNames(); }",
        "exports = (db) => db.getCollectionNames().then((all) => all.length)",
    ],
)  # fmt: skip
def test_what_runs_here_is_no_finding(folder: Path, edit: Edit, source: str) -> None:
    edit("functions/a.js", source)

    assert found(folder) == []


def test_the_app_is_another_when_a_source_changes(folder: Path, edit: Edit) -> None:
    prints: list[Any] = []
    for source in ("exports = 1", "exports = 2"):
        edit("functions/a.js", source)
        prints.append(load(folder, SECRETS).fingerprint)

    assert prints[0] != prints[1]


def test_functions_that_ask_others_are_no_finding_where_they_may(folder: Path, edit: Edit) -> None:
    edit("functions/a.js", "exports = () => context.http.get({})")

    assert load(folder, SECRETS, has_http=True).findings == ()
