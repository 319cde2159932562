"""`access`: why a caller may do something, or may not."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, NamedTuple

import bson
import typer

from admin.dry_run import Change, dry_run
from admin.options import parsed
from admin.output import AsJSON, console, show_json
from admin.process import EXIT_CODES, WRONG_USAGE, NoSuchError, fail, run
from admin.subject import Subject, subject
from shared.app.model import DataSource as AppDataSource
from shared.documents import ejson
from shared.rules import field_paths
from shared.rules.explain import Operation, explain, explain_change, explain_touch
from shared.rules.expressions import Expansions, Expression, holds
from shared.rules.ruleset import Ruleset
from shared.rules.schema import Schema
from shared.service import Service

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

OPERATIONS: dict[str, Operation] = {
    "find": "read", "findOne": "read", "aggregate": "read", "insertOne": "insert", "insertMany": "insert",
    "updateOne": "update", "updateMany": "update", "replaceOne": "update", "deleteOne": "delete",
    "deleteMany": "delete",
}  # fmt: skip

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

    With --update or --replacement MongoDB makes the change of the --document in a transaction that is always undone:
    nothing is written, whatever is decided.
    """
    question = _Question.of(action, _document("--document", document), update, array_filters, replacement, delete)
    database, _, collection = namespace.partition(".")
    found = run(lambda service: _found(service, user, data_source))
    rules = None if found.source is None else found.source.ruleset(database, collection)
    if found.source is None or rules is None:
        raise fail(f"no rule exists for namespace '{namespace}': every call is denied")
    decided = _Rules(found.can_evaluate, rules, found.source.schema(database, collection), found.null_allowed)
    steps = chain(
        found.about.refusals, _of_credentials(found.about.views, lambda view: _steps(decided, question, view))
    )
    if as_json:
        show_json({"steps": list(steps)})
        return
    out = console()
    for step in steps:
        out.print(step, markup=False)


class _Rules(NamedTuple):
    """What decides on a call of a collection."""

    can_evaluate: Expression | None
    ruleset: Ruleset
    schema: Schema | None
    null_allowed: bool


class _Found(NamedTuple):
    """The app's data source, whom it is about, and what the app has every call pass first."""

    source: AppDataSource | None
    about: Subject
    can_evaluate: Expression | None
    null_allowed: bool


def _of_credentials(
    views: Mapping[str, Mapping[str, Any]], steps_of: Callable[[Mapping[str, Any]], Iterator[str]]
) -> Iterator[str]:
    """Give the steps; where the credential makes a difference, those of each."""
    if len(views) == 1:
        yield from steps_of(next(iter(views.values())))
        return
    for credential, view in views.items():
        yield f"{credential}:"
        for step in steps_of(view):
            yield f"  {step}"


def _steps(decided: _Rules, question: "_Question", view: Mapping[str, Any]) -> Iterator[str]:
    expansions = Expansions(view)
    if decided.can_evaluate is not None and not holds(decided.can_evaluate, expansions.context()):
        yield "the app's 'can_evaluate' is not true for this caller: every call is refused with 403"
    rights = decided.ruleset.rights(expansions)
    yield from explain(decided.ruleset, expansions, question.operation, question.document)
    if question.document is not None and question.change is not None and not rights.is_full:
        yield from _of_change(decided, expansions, question.document, question.change)


def _of_change(decided: _Rules, expansions: Expansions, document: Mapping[str, Any], change: Change) -> Iterator[str]:
    rights = decided.ruleset.rights(expansions)
    if change.is_replacement:
        yield f"of what is replaced nothing may be hidden\n  {rights.may_replace(bson.encode(document))}"
    else:
        is_pipeline = isinstance(change.update, list)
        touched = None if is_pipeline else field_paths.of_update(change.update, list(change.array_filters or []))
        yield from explain_touch(rights, bson.encode(document), touched)
    try:
        old, new = run(lambda service: dry_run(service, document, change))
    except typer.Exit:
        yield "MongoDB refuses the change: nothing is decided on a result"
        raise
    null_allowed = decided.null_allowed
    yield from explain_change(rights, expansions, decided.schema, old, new, null_allowed=null_allowed)


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
        if given and OPERATIONS[name] != OPERATIONS[given[0]]:
            raise fail(f"--action {name} is not what the other options ask about", WRONG_USAGE)
        if given and document is None:
            raise fail("a change is made of a document: give --document", WRONG_USAGE)
        return cls(OPERATIONS[name], document, _change(update, array_filters, replacement))


def _change(update: str | None, array_filters: str | None, replacement: str | None) -> Change | None:
    if replacement is not None:
        return Change(parsed(ejson.document, "--replacement", replacement), is_replacement=True)
    if update is None:
        return None
    changes = parsed(ejson.value, "--update", update)
    filters = None if array_filters is None else parsed(ejson.value, "--array-filters", array_filters)
    if not isinstance(changes, dict | list) or not isinstance(filters, list | None):
        raise fail("--update is an object or a pipeline, --array-filters an array", WRONG_USAGE)
    return Change(changes, filters)


def _document(option: str, text: str | None) -> dict[str, Any] | None:
    return None if text is None else parsed(ejson.document, option, text)


async def _found(service: Service, user_id: str, data_source: str) -> _Found:
    about = await subject(service, user_id)
    app = service.app
    if app is None:
        return _Found(None, about, None, null_allowed=False)
    is_only = len(service.settings.data_sources) == 1
    source = app.data_source(data_source, is_only=is_only)
    if source is None or service.settings.data_source_uri(data_source) is None:
        raise NoSuchError(f"there is no data source '{data_source}': every call is refused with 400")
    return _Found(source, about, app.data_api.can_evaluate, service.settings.schema_null_type_validation)
