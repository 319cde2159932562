"""The house rules that a tool can see: module state, imports and their chains, sizes of classes."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.hosts import ROOT

SERVICE = ROOT / "shared" / "service.py"
LONGEST_CHAIN = 14
LARGEST_CLASS = 200

_CONTAINERS = {"bytearray", "defaultdict", "deque", "dict", "list", "set", "Counter", "OrderedDict"}
_HOLDERS = {
    "Cache", "Condition", "Event", "Lock", "Queue", "RLock", "Semaphore", "WeakKeyDictionary", "WeakSet",
    "WeakValueDictionary", "count", "cycle", "local",
}  # fmt: skip
_MEMOS = {"cache", "cached", "lru_cache", "memoized"}
_READ_ONLY = ("Mapping[", "Sequence[")  # mypy holds that nothing is put into these
_CHANGES = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "setdefault", "update",
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Return the service's modules by name, with what serves and what registers them."""
    files = [
        ROOT / "function_app.py",
        *(path for top in ("functions", "server", "shared") for path in (ROOT / top).rglob("*.py")),
    ]
    return {name_of(path): path for path in files}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted({*modules().values(), *(ROOT / "admin").rglob("*.py")} - {SERVICE})
PROGRAMS = sorted({*FILES, SERVICE, *(path for top in ("infra", "local") for path in (ROOT / top).rglob("*.py"))})


@pytest.mark.parametrize("file", [pytest.param(file, id=name_of(file)) for file in FILES])
def test_no_module_holds_mutable_state(file: Path) -> None:
    assert list(state_of(ast.parse(file.read_text()))) == []


@pytest.mark.parametrize(
    "code",
    [
        "cache = {}",
        "seen: set[str] = set()",
        "waiting = deque(maxlen=5)",
        "lock = asyncio.Lock()",
        "slots: WeakKeyDictionary[object, int] = WeakKeyDictionary()",
        "names = {1: 'a'}\ndef f():\n    names[2] = 'b'",
        "names = [1]\ndef f():\n    names.append(2)",
        "names = {1: 'a'}\ndef f():\n    del names[1]",
        "count = 0\ndef f():\n    global count\n    count += 1",
        "class State:\n    backend = None\ndef f():\n    State.backend = 1",
        "class State:\n    seen = {}",
        "class State:\n    seen: ClassVar[list[int]] = []",
        "@cache\ndef settings():\n    return read()",
        "@functools.lru_cache(maxsize=1)\ndef settings():\n    return read()",
        "guard = cache(Guard)",
        "if True:\n    cache = {}",
        "try:\n    cache = dict()\nexcept ImportError:\n    pass",
    ],
)
def test_mutable_state_is_found(code: str) -> None:
    assert list(state_of(ast.parse(code))) != []


@pytest.mark.parametrize(
    "code",
    [
        "NAMES = {1: 'a'}\ndef f():\n    return NAMES[1]",
        "bp = func.Blueprint()",
        "def f():\n    names = {}\n    names[1] = 2\n    return names",
        "class Struct(msgspec.Struct):\n    members: dict[str, int] = {}",
        "class Error(Exception):\n    headers: Mapping[str, str] = {}",
        "class Object:\n    def __init__(self):\n        self.names = {}",
    ],
)
def test_constants_and_objects_are_no_state(code: str) -> None:
    assert list(state_of(ast.parse(code))) == []


def state_of(tree: ast.Module) -> Iterator[str]:
    """Give what a module could keep from one call to the next: containers, memos, globals, class attributes."""
    top = list(_statements(tree.body))
    names = {target for node in top for target in _targets(node)} | {
        node.name for node in top if isinstance(node, ast.ClassDef)
    }
    for node in top:
        yield from _held(node, "")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _memos(node)
        if isinstance(node, ast.ClassDef) and not any("Struct" in ast.unparse(base) for base in node.bases):
            for member in _statements(node.body):
                yield from _held(member, f"{node.name}.")
    for function in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)):
        yield from _changed(function, names)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements of a body, with those of its branches."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, []))


def _targets(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _held(node: ast.stmt, prefix: str) -> Iterator[str]:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    is_read_only = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith(_READ_ONLY)
    if value is not None and not is_read_only and _is_container(value):
        yield f"{prefix}{', '.join(_targets(node))} is empty and waits to be filled, or holds something"


def _is_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.List | ast.Set):
        return not value.elts
    if isinstance(value, ast.Call):
        called = ast.unparse(value.func).rpartition(".")[2].partition("[")[0]
        is_empty = not value.args or called in {"deque", "defaultdict"}
        return called in _HOLDERS | _MEMOS or (called in _CONTAINERS and is_empty)
    return False


def _memos(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(called).rpartition(".")[2] in _MEMOS:
            yield f"{node.name} remembers what it returned"


def _changed(function: ast.FunctionDef | ast.AsyncFunctionDef, names: set[str]) -> Iterator[str]:
    """Give what a function changes that belongs to its module."""
    own = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    own |= {each.id for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    outer = names - own
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            yield f"{function.name} assigns {', '.join(node.names)}"
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if isinstance(node.value, ast.Name) and node.value.id in outer:
                yield f"{function.name} changes {node.value.id}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
            changed = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            if changed in outer:
                yield f"{function.name} changes {changed}"


@pytest.mark.parametrize("lazy", [False, True], ids=["at import", "inside functions too"])
def test_no_import_leads_back(lazy: bool) -> None:
    assert [" > ".join(cycle) for cycle in cycles(graph(lazy=lazy))] == []


def test_no_chain_of_imports_is_long() -> None:
    chain = longest_chain(graph(lazy=False))

    assert len(chain) <= LONGEST_CHAIN, " > ".join(chain)


def graph(*, lazy: bool) -> dict[str, set[str]]:
    """Return which of the service's modules each of them imports, without what only type checkers read."""
    known = modules()
    return {
        name: {found for each in imported(ast.parse(path.read_text()), lazy=lazy) if (found := _known(each, known))}
        - {name}
        for name, path in known.items()
    }


def imported(tree: ast.AST, *, lazy: bool) -> Iterator[str]:
    """Give the names that a module imports, as far as they may be modules."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)
        else:
            yield from imported(node, lazy=lazy)


def _known(name: str, known: Mapping[str, Path]) -> str | None:
    if name in known:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in known else None


def cycles(imports: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Give the ways that lead from a module back to it, one for each place where one closes."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> Iterator[list[str]]:
        if name in way:
            yield [*way[way.index(name) :], name]
        elif name not in done:
            for each in sorted(imports[name]):
                yield from walk(each, [*way, name])
            done.add(name)

    for name in sorted(imports):
        yield from walk(name, [])


def longest_chain(imports: Mapping[str, set[str]]) -> list[str]:
    chains: dict[str, list[str]] = {}

    def chain(name: str) -> list[str]:
        if name not in chains:
            longest: list[str] = []
            for each in sorted(imports[name]):
                longest = max(longest, chain(each), key=len)
            chains[name] = [name, *longest]
        return chains[name]

    return max((chain(name) for name in imports), key=len)


@pytest.mark.parametrize("file", [pytest.param(file, id=name_of(file)) for file in [*FILES, SERVICE]])
def test_no_class_is_large(file: Path) -> None:
    classes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)]

    assert {
        node.name: size for node in classes if (size := (node.end_lineno or 0) - node.lineno + 1) > LARGEST_CLASS
    } == {}


@pytest.mark.parametrize("file", [pytest.param(file, id=name_of(file)) for file in PROGRAMS])
def test_no_pattern_lets_a_newline_pass_at_its_end(file: Path) -> None:
    assert list(open_ends(ast.parse(file.read_text()))) == []


@pytest.mark.parametrize(
    "code",
    [
        r're.compile(r"^[a-z]+$")',
        r're.compile(rb"[a-z]+$")',
        r're.compile(r"(?:a|$)", re.IGNORECASE)',
        r're.fullmatch(r"/(?!\.(/|$))[^/]+", path)',
        r're.compile(rf"{_NAME}$")',
        r're.compile("a" + "b$")',
        "END = 'b$'\nre.compile('a' + END)",
        "END = 'b$'\nre.compile(f'a{END}')",
        r'regex.compile("\\\\$")',
        r'Meta(pattern=r"^[a-z]+$")',
        r'Meta(pattern=r"^[a-z]+")',
        r'Meta(pattern=r"[a-z]+\Z")',
        r'Meta(pattern=r"^a|b\Z|c")',
    ],
)
def test_a_pattern_that_lets_a_newline_pass_is_found(code: str) -> None:
    assert list(open_ends(ast.parse(code))) != []


@pytest.mark.parametrize(
    "code",
    [
        r're.compile(r"[a-z]+\Z")',
        r're.compile(r"^ +#(\S.*)$", re.MULTILINE)',
        r're.sub(r"^//.*$", "", text, flags=re.MULTILINE)',
        r're.compile(r"[$][^$]\$[^]$]")',
        r're.sub("a", "$", text)',
        r're.sub("a", f"{text}$", text)',
        r'Meta(pattern=r"^([a-z]+)?\Z")',
        r'text.partition("$")',
    ],
)
def test_a_pattern_that_ends_at_the_end_is_none(code: str) -> None:
    assert list(open_ends(ast.parse(code))) == []


def open_ends(tree: ast.Module) -> Iterator[str]:
    r"""Give the patterns that `$` ends, behind which a newline may follow, and those that msgspec finds within a text.

    `\Z` is the end of a text. With re.MULTILINE `$` is the end of a line, and meant.
    """
    known = {target: node for node in tree.body for target in _targets(node)}
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
        given = {each.arg: each.value for each in node.keywords}
        if ast.unparse(node.func).rpartition(".")[2] == "Meta" and "pattern" in given:
            bare = _bare(_pattern(given["pattern"], known))
            if not re.fullmatch(r"\^[^|]*\\Z", _without_groups(bare)):
                yield f"{ast.unparse(node)} is searched for: put all of it between ^ and \\Z"
        elif ast.unparse(node.func).startswith(("re.", "regex.")) and "MULTILINE" not in ast.unparse(node):
            bare = _bare(_pattern(given.get("pattern") or node.args[0], known))
        else:
            continue
        if "$" in bare:
            yield f"{ast.unparse(node)} lets a newline pass at its end: write \\Z for $"


def _pattern(node: ast.AST, known: Mapping[str, ast.stmt]) -> str:
    """Return the text of a pattern, with what its module says of the names that it is made of."""
    if isinstance(node, ast.Constant):
        return node.value.decode("latin-1") if isinstance(node.value, bytes) else str(node.value)
    if isinstance(node, ast.Name):
        others = {name: each for name, each in known.items() if name != node.id}
        return _pattern(known[node.id], others) if node.id in known else ""
    return "".join(_pattern(each, known) for each in ast.iter_child_nodes(node))


def _bare(pattern: str) -> str:
    """Leave out of a pattern what is escaped or in a class of characters."""
    return re.sub(r"\\[^Z]|\[\^?\]?(?:\\.|[^\]\\])*\]", "", pattern, flags=re.DOTALL)


def _without_groups(bare: str) -> str:
    fewer = re.sub(r"\([^()]*\)", "", bare)
    return fewer if fewer == bare else _without_groups(fewer)
