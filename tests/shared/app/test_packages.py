"""The npm packages of an app: which files functions are given, and what is said of those that cannot be had."""

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.app import package_files
from shared.app.reading import load
from shared.javascript.messages import Texts
from shared.javascript.prelude import NODE_MODULES
from shared.javascript.script import Script
from tests.javascript import ENGINE, LIMITS, started, told
from tests.shared.app.test_loading import SECRETS, Edit, edit, folder

__all__ = ["edit", "folder"]

MODULES = "functions/node_modules"
WHOLE = {
    "a/package.json": '{"main": "./lib/main"}',
    "a/lib/main.js": "exports.name = 'a'; exports.b = require('b'); exports.data = require('../data.json')",
    "a/data.json": '{"n": [1.5, "x"]}',
    "a/sub/thing.js": "module.exports = () => require('.').n",
    "a/sub/index.js": "exports.n = 5",
    "a/node_modules/b/index.js": "module.exports = 'inner b'",
    "b/index.js": "module.exports = 'outer b'",
    "b/other.cjs": "module.exports = __filename + ' ' + __dirname",
    "@team/c/package.json": json.dumps({
        "type": "module",
        "exports": {
            ".": {"import": "./esm.js", "require": "./main.cjs"},
            "./part": [{"browser": "./no.cjs"}, "./part.cjs"],
            "./all/*": {"default": "./all/*.cjs"},
        },
    }),
    "@team/c/esm.js": "export default 1",
    "@team/c/main.cjs": "module.exports = 'c'",
    "@team/c/part.cjs": "module.exports = 'part'",
    "@team/c/all/x.cjs": "module.exports = 'x'",
    "cycle/index.js": "exports.before = 1; exports.seen = require('./other').seen; exports.after = 2",
    "cycle/other.js": "const first = require('./index'); exports.seen = Object.keys(first)",
    "kinds/index.js": "module.exports = [typeof module, typeof exports, this === exports, typeof context]",
}  # fmt: skip


@pytest.fixture
def packages(edit: Edit) -> Callable[[dict[str, str]], None]:
    """Write files of packages."""

    def write(files: dict[str, str]) -> None:
        for path, text in files.items():
            edit(f"{MODULES}/{path}", text)

    return write


def result(folder: Path) -> Any:
    """Return what the function `f` of an app returns, or the message of the error that it throws."""
    read = load(folder, SECRETS).functions
    given = read.packages.get("f", Texts())
    lines = Script(ENGINE.prelude, LIMITS).start(started(told(read.sources), packages=given))
    (outcome,) = (line for line in lines if line.word in {"result", "thrown"})
    value = json.loads(outcome.text)
    return json.loads(value) if outcome.word == "result" else value["message"]


def findings(folder: Path) -> list[str]:
    return [each.sentence for each in load(folder, SECRETS).findings if each.file.startswith("functions")]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("require('a')", {"name": "a", "b": "inner b", "data": {"n": [1.5, "x"]}}),
        ("require('a/sub/thing')()", 5),
        ("require('a/sub')", {"n": 5}),
        ("require('b')", "outer b"),
        ("require('b/')", "outer b"),
        ("require('b/other')", "node_modules/b/other.cjs node_modules/b"),
        ("[require('@team/c'), require(`@team/c/part`), require(\"@team/c/all/x\")]", ["c", "part", "x"]),
        ("require('cycle')", {"before": 1, "seen": ["before"], "after": 2}),
        ("require('kinds')", ["object", "object", True, "undefined"]),
        ("require('a') === require('a')", True),
        ("typeof module", "undefined"),
    ],
    ids=str,
)
def test_a_function_requires_packages(
    folder: Path, edit: Edit, packages: Callable[[dict[str, str]], None], expression: str, value: Any
) -> None:
    packages(WHOLE)
    edit("functions/f.js", f"exports = () => JSON.stringify({expression})")

    assert result(folder) == value
    assert findings(folder) == []


def test_a_function_is_given_what_it_may_come_to_require(
    folder: Path, edit: Edit, packages: Callable[[dict[str, str]], None]
) -> None:
    packages(WHOLE)
    edit("functions/f.js", "exports = () => context.functions.execute('g')")
    edit("functions/g.js", "exports = () => require('b')")
    edit("functions/h.js", "exports = (name) => context.functions.execute(name)")
    edit("functions/k.js", "exports = () => require('b/other')")
    edit("functions/none.js", "// require('a')\nexports = () => 1")

    given = load(folder, SECRETS).functions.packages

    assert {name: sorted(file for file in told(each) if file) for name, each in given.items()} == {
        "f": ["b/index.js"], "g": ["b/index.js"], "h": ["b/index.js", "b/other.cjs"], "k": ["b/other.cjs"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "files", "sentence"),
    [
        ("require('nothing')", {}, "package 'nothing' is not there"),
        ("require('a/nothing')", {}, "package 'a/nothing' is not there"),
        ("require('@team/c/esm.js')", {}, "package '@team/c/esm.js' is not there"),
        ("require('./g')", {}, "package './g' is not there"),
        ("require('../secret')", {}, "package '../secret' is not there"),
        ("require('/etc/passwd')", {}, "package '/etc/passwd' is not there"),
        ("require('a/../../../config')", {}, "package 'a/../../../config' is not there"),
        ("require('fs')", {}, "module 'fs' of Node is not there"),
        ("require('node:fs/promises')", {}, "module 'node:fs/promises' of Node is not there"),
        ("require('d')", {"d/index.node": ""}, "package 'd' is not JavaScript alone"),
        ("require('d')", {"d/package.json": '{"type":"module"}', "d/index.js": ""}, "package 'd' is an ES module"),
        ("require('d')", {"d/package.json": '{"main":"../../../x.js"}'}, "package 'd' is not there"),
        ("require('d')", {"d/package.json": '{"exports":"../b/index.js"}'}, "package 'd' is not there"),
        ("require('d')", {"d/package.json": "{"}, "package 'd' is not there"),
        ("require('d')", {"d/index.js": "'\0'"}, "package 'd' cannot be read"),
        ("require('d')", {"d/index.js": "\nrequire('fs')"},
         "package 'd' may fail: module 'fs' of Node is not there, in node_modules/d/index.js, line 2"),
        ("require('d')", {"d/index.js": "require('../../g.js')"},
         "package 'd' may fail: package '../../g.js' is not there, in node_modules/d/index.js, line 1"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_had_is_named_with_its_line(
    folder: Path,
    edit: Edit,
    packages: Callable[[dict[str, str]], None],
    source: str,
    files: dict[str, str],
    sentence: str,
) -> None:
    packages(WHOLE | files)
    edit("functions/secret.js", "exports = 1")
    edit("functions/f.js", f"// require('later')\nexports = () => {source}")

    (found,) = findings(folder)

    assert found.startswith(f"function 'f': {sentence}")
    assert found.endswith(", in line 2")
    assert result(folder).startswith("Cannot find module '")


def test_the_modules_of_node_that_are_there_lack_nothing(folder: Path, edit: Edit) -> None:
    edit("functions/f.js", "\n".join(f"require('{name}'), require('node:{name}')" for name in NODE_MODULES))

    assert findings(folder) == []


def test_a_name_that_is_computed_is_not_found(
    folder: Path, edit: Edit, packages: Callable[[dict[str, str]], None]
) -> None:
    packages(WHOLE)
    edit("functions/f.js", "exports = () => { try { require('b' + '/other') } catch (e) { return `\"${e.code}\"` } }")

    assert result(folder) == "MODULE_NOT_FOUND"


def test_links_that_lead_out_are_not_followed(
    folder: Path, edit: Edit, packages: Callable[[dict[str, str]], None], tmp_path: Path
) -> None:
    packages(WHOLE | {"d/package.json": "{}"})
    (tmp_path / "outside.js").write_text("module.exports = 'outside'")
    modules = folder / MODULES
    (modules / "d" / "index.js").symlink_to(tmp_path / "outside.js")
    (modules / "e").symlink_to(tmp_path)
    (modules / "inside").symlink_to("b")
    edit("functions/f.js", "exports = () => [require('d'), require('e/outside')]")
    edit("functions/g.js", "exports = () => require('inside')")

    assert [each.split(": ")[1] for each in findings(folder)] == [
        "package 'd' is not there, in line 1", "package 'e/outside' is not there, in line 1",
    ]  # fmt: skip
    assert [*told(load(folder, SECRETS).functions.packages["g"])] == ["", "inside/index.js"]


def tarred(files: dict[str, str], mode: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("node_modules/link/index.js")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return content.getvalue()


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return content.getvalue()


@pytest.mark.parametrize("name", package_files.ARCHIVES)
@pytest.mark.parametrize("top", ["node_modules", "./node_modules"])
def test_packages_are_read_from_an_archive(folder: Path, edit: Edit, name: str, top: str) -> None:
    files = {f"{top}/{path}": text for path, text in WHOLE.items()} | {"../x.js": "", "other/y.js": ""}
    content = zipped(files) if name.endswith("zip") else tarred(files, "w" if name.endswith("tar") else "w:gz")
    (folder / "functions" / name).write_bytes(content)
    edit("functions/f.js", "exports = () => JSON.stringify([require('a'), require('@team/c')])")
    edit("functions/g.js", "exports = () => require('link')")

    assert result(folder) == [{"name": "a", "b": "inner b", "data": {"n": [1.5, "x"]}}, "c"]
    assert findings(folder) == ["function 'g': package 'link' is not there, in line 1"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("node_modules.zip", b"PK", "the archive cannot be read"),
        ("node_modules.tgz", b"\x1f\x8b\x08", "the archive cannot be read"),
        ("node_modules.tar", b"x" * 1024, "the archive cannot be read"),
        ("node_modules.tar", b"x" * 30_000, "an archive of packages has no more than 20000 bytes"),
        ("node_modules.tgz", gzip.compress(bytes(3 << 20)),
         "an archive of packages unpacks to no more than 200000 bytes"),
    ],
)  # fmt: skip
def test_an_archive_that_cannot_be_read_is_named(
    folder: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, sentence: str
) -> None:
    monkeypatch.setattr(package_files, "LARGEST_ARCHIVE", 20_000)
    monkeypatch.setattr(package_files, "LARGEST_UNPACKED", 200_000)
    (folder / "functions" / name).write_bytes(content)
    edit("functions/f.js", "exports = () => require('a')")

    first, second = findings(folder)

    assert first.startswith(sentence) or second.startswith(sentence)
    assert result(folder) == "Cannot find module 'a'"


def test_what_is_too_large_is_not_there(
    folder: Path, edit: Edit, packages: Callable[[dict[str, str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_files, "MOST_BYTES", 1_000)
    packages({"big/index.js": "x" * 2_000, "small/index.js": "module.exports = 1"})
    edit("functions/f.js", "exports = () => require('big')")

    (found,) = findings(folder)
    assert found.startswith("function 'f': node_modules/big/index.js is too large, or all that is needed")


def test_a_change_of_a_package_is_a_change_of_the_app(
    folder: Path, edit: Edit, packages: Callable[[dict[str, str]], None]
) -> None:
    edit("functions/f.js", "exports = () => require('b')")
    packages({"b/index.js": "exports.a = 1", "unused/index.js": "1"})
    first = load(folder, SECRETS).fingerprint
    packages({"unused/index.js": "2"})
    same = load(folder, SECRETS).fingerprint
    packages({"b/index.js": "exports.a = 2"})

    assert same == first
    assert load(folder, SECRETS).fingerprint != first


def test_an_error_in_a_package_is_found_by_its_file(
    folder: Path, edit: Edit, packages: Callable[[dict[str, str]], None]
) -> None:
    packages({"bad/index.js": "\n\nthrow new Error('no')"})
    edit("functions/f.js", "exports = () => require('bad')")
    read = load(folder, SECRETS).functions
    lines = Script(ENGINE.prelude, LIMITS).start(started(told(read.sources), packages=read.packages["f"]))

    sources = [json.loads(line.text)["name"] for line in lines if line.word == "source"]

    assert sources == ["f", "node_modules/bad/index.js"]
    assert os.sep not in json.loads(lines[-1].text)["message"]
