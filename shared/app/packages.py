"""The npm packages of an app: which file a name means to which other, found as Node finds it."""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shared.app.package_files import PackageFiles, PackagesError
from shared.javascript.messages import Texts
from shared.javascript.prelude import GLOBALS, NODE_MODULES, node_module

NODE = "node:"
"""What the paths of modules of Node begin with, which are beside the files of packages."""

MOST_FILES = 2_000
"""How many files one function's packages may be made of."""

_OF_NODE = re.compile(
    "assert|async_hooks|buffer|child_process|cluster|console|constants|crypto|dgram|diagnostics_channel|dns|domain|"
    "events|fs|https?|http2|inspector|module|net|os|path|perf_hooks|process|punycode|querystring|readline|repl|stream|"
    "string_decoder|sys|timers|tls|trace_events|tty|url|util|v8|vm|wasi|worker_threads|zlib"
)
_REQUIRED = re.compile(r"""\brequire\(\s*(["'`])([^"'`\n]+)\1\s*\)""")
_COMMENT = re.compile(r"/\*.*?\*/|^\s*//[^\n]*", re.DOTALL | re.MULTILINE)
_CONDITIONS = ("require", "node", "default")
_TRIED = ("", ".js", ".json", ".cjs")
_INDEX = ("index.js", "index.json", "index.node")


class Needed(NamedTuple):
    """A name that a source requires, and in which line."""

    name: str
    line: int


class Missing(NamedTuple):
    """In which line something is required that cannot be had, and why."""

    line: int
    sentence: str


class _NotFoundError(Exception):
    """A name means no file; the text says why."""


def required(source: str) -> Iterator[Needed]:
    """Give what a source requires by names that stand in it, but for those in comments."""
    bare = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), source)
    for found in _REQUIRED.finditer(bare):
        yield Needed(found[2], bare.count("\n", 0, found.start()) + 1)


def requires_packages(source: str) -> bool:
    """Tell whether a source requires more than modules of Node that are there."""
    return any(each.name.removeprefix(NODE) not in NODE_MODULES for each in required(source))


class Packages:
    """The packages in `node_modules`. All paths are in it, with `/` between their parts."""

    def __init__(self, files: PackageFiles) -> None:
        """Take the files, of which those are read that something needs."""
        self._files = files
        self._found: dict[str, dict[str, str]] = {}
        self._missing: dict[str, list[Missing]] = {}

    @property
    def read(self) -> Mapping[str, str | None]:
        """The texts of all files that were read."""
        return self._files.read

    def missing(self, source: str) -> Iterator[str]:
        """Say what a function's source requires that cannot be had, or that its packages require."""
        names, missing = self._names(source, "")
        for line, sentence in missing:
            yield f"{sentence}, in line {line}"
        for needed in required(source):
            files = self._closure([names[needed.name]]) if needed.name in names else []
            for file in files:
                for line, sentence in self._missing[file]:
                    place = f"node_modules/{file}, line {line}"
                    yield f"package '{needed.name}' may fail: {sentence}, in {place}, in line {needed.line}"
            if len(files) == MOST_FILES:
                yield f"package '{needed.name}' may fail: it has more than {MOST_FILES} files, in line {needed.line}"

    def texts(self, sources: Iterable[str]) -> Texts:
        """Return the files that sources require, of each the name of the file that each of its names means."""
        names: dict[str, str] = {}
        for source in sources:
            names |= self._names(source, "")[0]
        if not names:
            return Texts()
        files = self._closure(names.values())
        texts = {file: self._text(file) for file in files}
        return Texts.of({"": "", **texts}, {"": names, **{file: self._found[file] for file in files}})

    def _closure(self, paths: Iterable[str]) -> list[str]:
        """Return files and all that they require, in the order in which they were come by."""
        found: dict[str, None] = {}
        waiting = list(paths)
        while waiting and len(found) < MOST_FILES:
            path = waiting.pop()
            if path in found:
                continue
            found[path] = None
            if path not in self._found:
                source = "" if path.endswith(".json") else self._text(path)
                self._found[path], self._missing[path] = self._names(source, path)
            waiting += self._found[path].values()
        return list(found)

    def _text(self, path: str) -> str:
        return node_module(path.removeprefix(NODE)) if path.startswith(NODE) else self._files.text(path) or ""

    def _names(self, source: str, file: str) -> tuple[dict[str, str], list[Missing]]:
        """Return which files the names in the source of a file mean, and what cannot be had."""
        names = {module: NODE + module for name, module in GLOBALS.items() if name in source}
        missing: dict[str, Missing] = {}
        for needed in required(source):
            if needed.name in names:
                continue
            try:
                names[needed.name] = self._resolved(needed.name, file)
            except (_NotFoundError, PackagesError) as error:
                missing.setdefault(needed.name, Missing(needed.line, str(error)))
        return names, list(missing.values())

    def _resolved(self, name: str, file: str) -> str:
        """Return the file that a name means to a file, to a function where that is empty."""
        bare = name.removeprefix(NODE)
        if bare in NODE_MODULES:
            return NODE + bare
        if name.startswith(NODE) or (_OF_NODE.fullmatch(name.partition("/")[0]) and not name.endswith("/")):
            raise _NotFoundError(f"module '{name}' of Node is not there")
        if name.startswith((".", "/", "#")):
            found = self._relative(name, file) if file and name[0] == "." else None
            if found is None:
                raise _NotFoundError(f"package '{name}' is not there")
            return self._readable(found, name)
        return self._readable(self._package(name.rstrip("/"), file), name)

    def _relative(self, name: str, file: str) -> str | None:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
        return None if path == ".." or path.startswith("../") else self._file(path)

    def _package(self, name: str, file: str) -> str:
        """Return the file of a package, of the nearest folder that has it."""
        parts = name.split("/")
        own = 2 if name.startswith("@") else 1
        package, below = "/".join(parts[:own]), "/".join(parts[own:])
        if ".." in parts or "." in parts or "" in parts:
            raise _NotFoundError(f"package '{name}' is not there")
        for folder in _folders(file):
            root = posixpath.join(folder, package)
            if self._files.is_folder(root):
                return self._entry(root, below, name)
        raise _NotFoundError(f"package '{name}' is not there")

    def _entry(self, root: str, below: str, name: str) -> str:
        described = self._described(root)
        exports = described.get("exports")
        if exports is None:
            found = self._file(posixpath.join(root, below) if below else root)
        else:
            target = _exported(exports, f"./{below}" if below else ".")
            path = posixpath.normpath(posixpath.join(root, target or ""))
            found = path if target and path.startswith(f"{root}/") and self._files.is_file(path) else None
        if found is None:
            raise _NotFoundError(f"package '{name}' is not there")
        return found

    def _described(self, root: str) -> Mapping[str, Any]:
        try:
            described = json.loads(self._files.text(posixpath.join(root, "package.json")) or "{}")
        except ValueError:
            return {}
        return described if isinstance(described, dict) else {}

    def _file(self, path: str) -> str | None:
        """Return the file that a path without its ending means, or that a folder begins with."""
        for ending in _TRIED:
            if self._files.is_file(path + ending):
                return path + ending
        if self._files.is_file(f"{path}.node"):
            return f"{path}.node"
        if not self._files.is_folder(path):
            return None
        main = self._described(path).get("main")
        if isinstance(main, str) and main.strip("./"):
            found = posixpath.normpath(posixpath.join(path, main))
            if found.startswith(f"{path}/") and found != path:
                for each in (*(found + ending for ending in _TRIED), *(f"{found}/{index}" for index in _INDEX)):
                    if self._files.is_file(each):
                        return each
        return next((f"{path}/{index}" for index in _INDEX if self._files.is_file(f"{path}/{index}")), None)

    def _readable(self, path: str, name: str) -> str:
        """Refuse a file that is no CommonJS."""
        if path.endswith((".node", ".wasm")):
            raise _NotFoundError(f"package '{name}' is not JavaScript alone")
        if path.endswith(".mjs") or (path.endswith(".js") and self._is_esm(path)):
            raise _NotFoundError(f"package '{name}' is an ES module, which require does not load")
        if self._files.text(path) is None:
            raise _NotFoundError(f"package '{name}' cannot be read")
        return path

    def _is_esm(self, path: str) -> bool:
        """Tell whether the nearest package.json says that files are ES modules."""
        folder = posixpath.dirname(path)
        while folder:
            if self._files.is_file(f"{folder}/package.json"):
                return self._described(folder).get("type") == "module"
            folder = posixpath.dirname(folder)
        return False


def _folders(file: str) -> Iterator[str]:
    """Give the folders in which a file's packages may be, from the nearest on."""
    folder = posixpath.dirname(file)
    while folder:
        if posixpath.basename(folder) != "node_modules":
            yield f"{folder}/node_modules"
        folder = posixpath.dirname(folder)
    yield ""


def _exported(exports: Any, name: str) -> str | None:
    """Return what the member `exports` of a package.json has for a name."""
    if isinstance(exports, dict) and any(key.startswith(".") for key in exports):
        if name in exports:
            return _target(exports[name])
        for key, value in exports.items():
            before, star, after = key.partition("*")
            if star and name.startswith(before) and name.endswith(after) and len(name) >= len(before) + len(after):
                target = _target(value)
                return target and target.replace("*", name[len(before) : len(name) - len(after)])
        return None
    return _target(exports) if name == "." else None


def _target(value: Any) -> str | None:
    """Return the first target of those by conditions that holds for `require`."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next((found for each in value if (found := _target(each))), None)
    if isinstance(value, dict):
        return next((found for key, each in value.items() if key in _CONDITIONS and (found := _target(each))), None)
    return None
