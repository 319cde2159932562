"""`access`: why a caller may do something, or may not."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import bson
import typer

from admin.console import console
from admin.dry_run import Change, dry_run, is_found
from admin.options import parsed
from admin.output import AsJSON, show_json
from admin.process import EXIT_CODES, FAILED, WRONG_USAGE, NoSuchError, fail, run
from admin.subject import Subject, subject
from shared.app.model import App
from shared.app.model import DataSource as AppDataSource
from shared.documents import ejson
from shared.errors import InvalidParameterError
from shared.rules import field_paths
from shared.rules.explain import Explanation, Operation, Steps, asks
from shared.rules.expressions import Expansions, holds
from shared.rules.ruleset import Ruleset
from shared.rules.schema import Schema
from shared.rules.writing import Decision
from shared.service import Service

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

OPERATIONS: dict[str, Operation | None] = {
    "find": "read", "findOne": "read", "aggregate": "read", "countDocuments": "read",
    "estimatedDocumentCount": "read", "distinct": "read", "getMore": "read",
    "insertOne": "insert", "insertMany": "insert",
    "updateOne": "update", "updateMany": "update", "replaceOne": "update", "deleteOne": "delete",
    "deleteMany": "delete", "findOneAndUpdate": "update", "findOneAndReplace": "update", "findOneAndDelete": "delete",
    "bulkWrite": None, "transaction": None, "getSchema": "read", "explain": None, "changes": "read",
    "listDatabases": None, "listCollections": None, "listIndexes": None, "createIndexes": None, "dropIndexes": None,
    "createCollection": None, "dropCollection": None,
}  # fmt: skip
"""What an action does to documents; None for one that is decided in another way."""

_NAMES = "shows the collections that rules open: explain find for one of them"
_WHOLE = "needs a role that shows everything: explain find, with a document that should be hidden"
_ADMINISTERS = "needs a system key, or the app's dozen.json and a role that allows everything"
_OTHERWISE = {
    "listDatabases": _NAMES, "listCollections": _NAMES, "listIndexes": _WHOLE, "explain": _WHOLE,
    "createIndexes": _ADMINISTERS, "dropIndexes": _ADMINISTERS, "createCollection": _ADMINISTERS,
    "dropCollection": _ADMINISTERS,
}  # fmt: skip
_EACH = "is decided operation by operation: explain each, such as updateOne"

UserId = Annotated[str, typer.Option("--user", metavar="ID", help="The id of a user or of a key.")]
Action = Annotated[
    str | None,
    typer.Option("--action", help="The action of the Data API, such as find; --update and so on say it too."),
]
Namespace = Annotated[str, typer.Option("--namespace", metavar="DB.COLLECTION", help="The collection.")]
Document = Annotated[str | None, typer.Option("--document", metavar="JSON", help="A document, in Extended JSON.")]
DataSource = Annotated[str, typer.Option("--data-source", help="The data source.")]
Update = Annotated[
    str | None, typer.Option("--update", metavar="JSON", help="Operators or a pipeline that change the document.")
]
ArrayFilters = Annotated[str | None, typer.Option("--array-filters", metavar="JSON", help="The update's arrayFilters.")]
Replacement = Annotated[str | None, typer.Option("--replacement", metavar="JSON", help="What takes its place.")]
Delete = Annotated[bool, typer.Option("--delete", help="Ask whether the document may be deleted.")]


@app.callback()
def main() -> None:
    """Explain what the rules decide."""


@app.command("explain", epilog=EXIT_CODES)
def explain_(  # noqa: PLR0913, PLR0917  each is an option of the command
    user: UserId,
    namespace: Namespace,
    action: Action = None,
    document: Document = None,
    data_source: DataSource = "mongodb-atlas",
    update: Update = None,
    array_filters: ArrayFilters = None,
    replacement: Replacement = None,
    delete: Delete = False,
    as_json: AsJSON = False,
) -> None:
    """Print step by step which filters and roles count for a call, and what they decide on a document.

    The last line says whether the call is allowed, and by which role; exit 1 if it is denied.
    With --update or --replacement MongoDB makes the change of the --document in a transaction that is always undone:
    nothing is written, whatever is decided.
    """
    question = _Question.of(action, _document("--document", document), update, array_filters, replacement, delete)
    found = run(lambda service: _found(service, user, data_source))
    steps, decision = _collected(_decided(found, question, namespace))
    if as_json:
        outcome = {"allowed": decision.allowed, "role": decision.role, "decision": str(decision)}
        show_json({**outcome, "steps": steps})
    else:
        out = console()
        for line in (*steps, str(decision)):
            out.print(line, markup=False)
    if not decision.allowed:
        raise typer.Exit(FAILED)


class _Found(NamedTuple):
    """Whom it is about, the app and its data source, and what of the settings counts."""

    about: Subject
    app: App | None
    source: AppDataSource | None
    null_allowed: bool


def _collected(steps: Steps) -> tuple[list[str], Decision]:
    """Return all steps, and what is decided."""
    found: list[str] = []
    try:
        while True:
            found.append(next(steps))
    except StopIteration as end:
        return found, end.value


def _decided(found: _Found, question: "_Question", namespace: str) -> Steps:
    """Explain a call; where the credential makes a difference, that with each. Denied with one is denied."""
    refusals = list(found.about.refusals)
    if found.app is not None and found.app.data_api.disabled:
        refusals.append("the app's Data API is disabled: every call is refused with 404")
    yield from refusals
    if found.about.is_system:
        return Decision(not refusals, None, refusals[0] if refusals else "no rules apply to a system key")
    database, _, collection = namespace.partition(".")
    rules = None if found.source is None else found.source.ruleset(database, collection)
    if found.app is None or found.source is None or rules is None:
        sentence = f"no rule exists for namespace '{namespace}': every call is refused with 403"
        yield sentence
        return Decision(False, None, refusals[0] if refusals else sentence)
    schema = found.source.schema(database, collection)
    explained = {
        credential: _of_credential(found, question, rules, schema, Expansions(view))
        for credential, view in found.about.views.items()
    }
    decision = yield from _of_each(explained)
    return Decision(False, None, refusals[0]) if refusals else decision


def _of_each(explained: Mapping[str, Steps]) -> Steps:
    if len(explained) == 1:
        return (yield from next(iter(explained.values())))
    decisions: dict[str, Decision] = {}
    for credential, steps in explained.items():
        told, decisions[credential] = _collected(steps)
        yield f"{credential}:"
        yield from (f"  {line}" for line in (*told, str(decisions[credential])))
    for credential, decision in decisions.items():
        if not decision.allowed:
            return decision._replace(reason=f"{decision.reason} ({credential})")
    first, *others = decisions.values()
    return first if others == [first] else Decision(True, None, "with each credential")


def _of_credential(
    found: _Found, question: "_Question", rules: Ruleset, schema: Schema | None, expansions: Expansions
) -> Steps:
    condition = None if found.app is None else found.app.data_api.can_evaluate
    refusal = None
    if condition is not None and not holds(condition, expansions.context()):
        asked = f", as it {asks(condition)}" if condition.asks_function else ""
        refusal = f"the app's 'can_evaluate' is not true for this caller{asked}: every call is refused with 403"
        yield refusal
    try:
        explanation = Explanation(rules, schema, expansions, null_allowed=found.null_allowed)
        decision = yield from _of_question(question, explanation, has_schema=schema is not None)
    except InvalidParameterError as error:
        yield f"the call is refused with 400: {error}"
        decision = Decision(False, None, str(error))
    return decision if refusal is None else Decision(False, None, refusal)


def _of_question(question: "_Question", explanation: Explanation, *, has_schema: bool) -> Steps:
    decision = yield from explanation.of_call(question.operation, question.document)
    if question.document is None or not decision.allowed:
        return decision
    if question.operation != "insert" and explanation.added:
        document, added = question.document, {"$and": explanation.added}
        if not run(lambda service: is_found(service, document, added)):
            yield "the document does not match what the filters add: it is not found"
            return Decision(False, None, "the document does not match what the filters add")
    if question.change is None or (explanation.rights.is_full and not has_schema):
        return decision
    return (yield from _of_change(explanation, question.document, question.change))


def _of_change(explanation: Explanation, document: Mapping[str, Any], change: Change) -> Steps:
    raw = bson.encode(document)
    if change.is_replacement:
        touched = explanation.rights.may_replace(raw)
        yield f"of what is replaced nothing may be hidden\n  {touched}"
    else:
        is_pipeline = isinstance(change.update, list)
        named = None if is_pipeline else field_paths.of_update(change.update, list(change.array_filters or []))
        touched = yield from explanation.of_touch(raw, named)
    made = run(lambda service: dry_run(service, document, change))
    if isinstance(made, str):
        yield f"MongoDB refuses the change: {made}"
        return Decision(False, touched.role, "MongoDB refuses the change") if touched.allowed else touched
    decision = yield from explanation.of_change(*made)
    return decision if touched.allowed else touched


class _Question(NamedTuple):
    operation: Operation
    document: Mapping[str, Any] | None
    change: Change | None

    @classmethod
    def of(
        cls,
        action: str | None,
        document: Mapping[str, Any] | None,
        update: str | None,
        array_filters: str | None,
        replacement: str | None,
        delete: bool,
    ) -> "_Question":
        """Check that the options belong together."""
        changes = {"updateOne": update, "replaceOne": replacement, "deleteOne": "" if delete else None}
        given = [name for name, value in changes.items() if value is not None]
        if len(given) > 1:
            raise fail("give one of --update, --replacement and --delete", WRONG_USAGE)
        name = action or (given[0] if given else "")
        if name not in OPERATIONS:
            raise fail(f"{name!r} is not an action: {', '.join(OPERATIONS)}", WRONG_USAGE)
        operation = OPERATIONS[name]
        if operation is None:
            raise fail(f"{name} {_OTHERWISE.get(name, _EACH)}", WRONG_USAGE)
        if given and operation != OPERATIONS[given[0]]:
            raise fail(f"--action {name} is not what the other options ask about", WRONG_USAGE)
        if given and document is None:
            raise fail("a change is made of a document: give --document", WRONG_USAGE)
        return cls(operation, document, _change(update, array_filters, replacement))


def _change(update: str | None, array_filters: str | None, replacement: str | None) -> Change | None:
    if replacement is not None:
        replacing = parsed(ejson.document, "--replacement", replacement)
        if any(name.startswith("$") for name in replacing):
            raise fail("--replacement must not hold update operators", WRONG_USAGE)
        return Change(replacing, is_replacement=True)
    if update is None:
        return None
    changes = parsed(ejson.value, "--update", update)
    filters = None if array_filters is None else parsed(ejson.value, "--array-filters", array_filters)
    if not isinstance(changes, dict | list) or not isinstance(filters, list | None):
        raise fail("--update is an object or a pipeline, --array-filters an array", WRONG_USAGE)
    if not changes or (isinstance(changes, dict) and not all(name.startswith("$") for name in changes)):
        raise fail("--update must hold update operators only", WRONG_USAGE)
    return Change(changes, filters)


def _document(option: str, text: str | None) -> dict[str, Any] | None:
    return None if text is None else parsed(ejson.document, option, text)


async def _found(service: Service, user_id: str, data_source: str) -> _Found:
    about = await subject(service, user_id)
    app, null_allowed = service.app, service.settings.schema_null_type_validation
    if app is None or about.is_system:
        return _Found(about, app, None, null_allowed)
    is_only = len(service.settings.data_sources) == 1
    source = app.data_source(data_source, is_only=is_only)
    if source is None or service.settings.data_source_uri(data_source) is None:
        raise NoSuchError(f"there is no data source '{data_source}': every call is refused with 400")
    return _Found(about, app, source, null_allowed)
