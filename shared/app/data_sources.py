"""The data sources of an app with their rules and schemas, in the new layout and the old one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shared.app.files import Files, typed
from shared.app.model import DataSource, Namespace
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.oracles import report_oracles
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.compiler.schema import compile_schema
from shared.rules.report import Report
from shared.rules.ruleset import Ruleset
from shared.rules.schema import Schema
from shared.settings import folded

_KINDS = ("mongodb-atlas", "mongodb", "datalake")


class Collection(NamedTuple):
    """What the files say of a collection: rules and schema, each with where its mistakes are reported."""

    namespace: Namespace
    rules: Mapping[str, Any] | None
    rules_report: Report
    schema: Mapping[str, Any] | None
    schema_report: Report


def read_data_sources(files: Files, constants: Constants, data_sources: frozenset[str] | None) -> dict[str, DataSource]:
    """Return the data sources by name; each must have a connection of its own if there are several."""
    found: dict[str, DataSource] = {}
    reports: dict[str, Report] = {}
    for folder, is_old in _folders(files):
        config = files.object(folder / "config.json")
        report = files.report(folder / "config.json")
        name = typed(config, "name", str, report, folder.name)
        kind = typed(config, "type", str, report, _KINDS[0])
        if kind not in _KINDS:
            _report_other(name, kind, report.at("type"), is_old=is_old)
            continue
        if name in found:
            report.at("name").problem(f"there are two data sources named '{name}'")
        cluster = typed(typed(config, "config", dict, report, {}), "clusterName", str, report.at("config"), "")
        collections = _old_collections(files, folder) if is_old else _collections(files, folder)
        reports[name] = report
        found[name] = _data_source(files, folder, name, cluster, collections, constants)
    if len(found) > 1 and data_sources is not None:
        _refuse_unconnected(found, reports, data_sources)
    return found


def _folders(files: Files) -> Iterator[tuple[Path, bool]]:
    for folder in files.folders(files.root / "data_sources"):
        yield folder, False
    for folder in files.folders(files.root / "services"):
        yield folder, True


def _report_other(name: str, kind: str, report: Report, *, is_old: bool) -> None:
    """Report what is no data source: a service of another company, where the old layout has both in one folder.

    One of HTTP has webhooks, which are served, and functions that ask through it are named with their lines.
    """
    if is_old and kind == "http":
        return
    if is_old:
        report.unsupported(
            f"service '{name}' of type '{kind}' is not served: let functions ask its owner by context.http",
            "what the app does through it is not done",
        )
    else:
        report.problem(f"a data source's 'type' is one of {', '.join(_KINDS)}")


def _refuse_unconnected(
    found: Mapping[str, DataSource], reports: Mapping[str, Report], data_sources: frozenset[str]
) -> None:
    for each in found.values():
        names = {folded(each.name), folded(each.cluster_name)}
        if not names & data_sources:
            reports[each.name].at("name").problem(
                f"the data source '{each.name}' has no connection: set MONGO_DB_URI__{folded(each.name).upper()}"
            )


def _data_source(
    files: Files, folder: Path, name: str, cluster: str, collections: Iterator[Collection], constants: Constants
) -> DataSource:
    path = folder / "default_rule.json"
    default: Ruleset | None = None
    if path.is_file():
        whose = "collections without roles of their own"
        default = compile_ruleset(files.object(path), constants, files.report(path), whose=whose)
        default = default if default.roles else None
    rules: dict[Namespace, Ruleset] = {}
    schemas: dict[Namespace, Schema] = {}
    written: dict[Namespace, Mapping[str, Any]] = {}
    for each in collections:
        if each.namespace in rules or each.namespace in schemas:
            each.rules_report.at("collection").problem(f"there are two folders for '{'.'.join(each.namespace)}'")
        if each.rules is not None:
            whose = ".".join(each.namespace)
            compiled = compile_ruleset(each.rules, constants, each.rules_report, default, whose)
            if compiled.roles:
                rules[each.namespace] = compiled
        if each.schema:
            schema = compile_schema(each.schema, constants, each.schema_report)
            if schema is not None:
                schemas[each.namespace] = schema
                written[each.namespace] = each.schema
                opened = rules.get(each.namespace, default)
                if opened is not None:
                    report_oracles(each.schema, opened, each.schema_report)
    return DataSource(
        name=name, cluster_name=cluster, default=default, rules=rules, schemas=schemas, written_schemas=written
    )


def _collections(files: Files, folder: Path) -> Iterator[Collection]:
    for database in files.folders(folder):
        for place in files.folders(database):
            rules_file, schema_file = place / "rules.json", place / "schema.json"
            rules = files.object(rules_file) if rules_file.is_file() else None
            report = files.report(rules_file)
            namespace = _namespace(rules or {}, (database.name, place.name), report)
            schema = files.object(schema_file) if schema_file.is_file() else None
            yield Collection(namespace, rules, report, schema, files.report(schema_file))


def _namespace(source: Mapping[str, Any], found: Namespace, report: Report) -> Namespace:
    """Return the collection that a file names, by itself or by its folder's name; both must agree."""
    named = typed(source, "database", str, report, found[0]), typed(source, "collection", str, report, found[1])
    if named != found:
        report.at("collection").problem(
            f"the file names the collection '{'.'.join(named)}', its folder '{'.'.join(found)}'"
        )
    return found


def _old_collections(files: Files, folder: Path) -> Iterator[Collection]:
    for path in files.json_files(folder / "rules"):
        source, report = files.object(path), files.report(path)
        database, _, collection = path.stem.partition(".")
        named = (
            typed(source, "database", str, report, database),
            typed(source, "collection", str, report, collection),
        )
        schema = typed(source, "schema", dict, report, None)
        yield Collection(named, source, report, schema, report.at("schema"))
