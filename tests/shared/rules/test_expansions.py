"""What expansions mean for a call, and that one place alone decides it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from shared.rules import expressions
from shared.rules.expressions import Expansions
from shared.rules.values import MISSING

ROOT = Path(__file__).resolve().parents[3]


def contexts_made(path: Path) -> Iterator[str]:
    """Name a file for each call in it that makes a Context of rules; other libraries have contexts, too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imported = {
        each.asname or each.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == expressions.__name__
        for each in node.names
        if each.name == "Context"
    }
    own = {"Context"} if path == Path(expressions.__file__) else set()
    called = (ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call))
    yield from (str(path) for name in called if name in imported | own or name.endswith("expressions.Context"))


def test_contexts_are_made_in_one_place() -> None:
    files = [path for folder in ("shared", "functions", "server", "admin") for path in (ROOT / folder).rglob("*.py")]

    assert [maker for path in files for maker in contexts_made(path)] == [expressions.__file__]


def test_without_a_document_only_the_expansions_of_the_call_mean_something() -> None:
    user, request = {"id": "u1"}, {"httpMethod": "POST"}

    context = Expansions(user, request).context()

    assert (context.user, context.request) == (user, request)
    assert {context.root, context.prev_root, context.this, context.prev} == {MISSING}


def test_a_call_shows_an_empty_request_where_there_is_none() -> None:
    assert Expansions({"id": "u1"}).context({"_id": 1}).request == {}
