"""`dozen.json` of an app: what it says that Atlas had no word for."""

from shared.app.files import Files
from shared.rules.compiler.expressions import compile_expression
from shared.rules.compiler.members import like
from shared.rules.compiler.operands import Constants, Scope
from shared.rules.expressions import Expression

_MEMBERS = frozenset({"administer"})


def read_administer(files: Files, constants: Constants) -> Expression:
    """Return for which callers to whom rules apply `administer` holds; without the file for none."""
    path = files.root / "dozen.json"
    source, report = files.object(path), files.report(path)
    for name in source.keys() - _MEMBERS:
        report.at(name).warning(f"'{name}' means nothing in dozen.json{like(name, _MEMBERS)}", "it has no effect")
    given = source.get("administer")
    return compile_expression(
        False if given is None else given,
        Scope.CALL,
        constants,
        report.at("administer"),
        "only system keys may administer collections",
    )
