"""An exported app's folder -> App."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.app import data_sources as sources
from shared.app import providers
from shared.app.data_api import read_data_api
from shared.app.files import AppError, FileFinding, Files, secret, typed
from shared.app.model import App, CustomUserData
from shared.app.unsupported import list_unsupported
from shared.rules.compiler.operands import Constants

_NO_ENVIRONMENT = "no-environment"
_ROOTS = ("root_config.json", "realm_config.json", "config.json")


def load(folder: Path, secrets: Mapping[str, str], data_sources: frozenset[str] | None = None) -> App:
    """Return the app; raise AppError with everything that is wrong with it.

    `secrets` are values by folded name; `data_sources` the folded names of those that are configured, None if that is
    not to be checked.
    """
    if not folder.is_dir():
        sentence = "this folder does not exist: APP_CONFIG_DIR must name that of an exported app"
        raise AppError([FileFinding(str(folder), "problem", "", sentence)])
    files = Files(folder)
    root = next((folder / name for name in _ROOTS if (folder / name).is_file()), folder / _ROOTS[0])
    if not root.is_file():
        files.report(root).problem("the file is missing: is this the folder of an exported app?")
    config = files.object(root)
    report = files.report(root)
    tag, constants = _constants(files, typed(config, "environment", str, report, ""), secrets)
    origins = typed(config, "allowed_request_origins", list, report, [])
    app = App(
        app_id=typed(config, "app_id", str, report, ""),
        name=typed(config, "name", str, report, ""),
        environment=tag,
        values=constants.values,
        providers=providers.read_providers(files, secrets),
        custom_user_data=_custom_user_data(files),
        data_api=read_data_api(files, constants, secrets),
        data_sources=sources.read_data_sources(files, constants, data_sources),
        allowed_request_origins=frozenset(str(origin).rstrip("/") for origin in origins),
    )
    list_unsupported(files)
    if files.has_problem():
        raise AppError(files.findings)
    found = {"findings": tuple(files.findings), "fingerprint": files.fingerprint(secrets)}
    return App(**{name: getattr(app, name) for name in app.__struct_fields__} | found)


def _custom_user_data(files: Files) -> CustomUserData | None:
    path = files.root / "auth" / "custom_user_data.json"
    source, report = files.object(path), files.report(path)
    if not typed(source, "enabled", bool, report, False):
        return None
    members = {}
    for name in ("mongo_service_name", "database_name", "collection_name", "user_id_field"):
        members[name] = typed(source, name, str, report, "")
        if not members[name]:
            report.at(name).problem(f"'{name}' is missing: custom user data is enabled")
    if members["user_id_field"] and not all(
        part and not part.startswith("$") for part in members["user_id_field"].split(".")
    ):
        report.at("user_id_field").problem("'user_id_field' must be the path of a field")
    if source.get("on_user_creation_function_name"):
        report.at("on_user_creation_function_name").unsupported(
            f"function '{source['on_user_creation_function_name']}': JavaScript cannot run when a user is created"
        )
    return CustomUserData(
        service=members["mongo_service_name"],
        database=members["database_name"],
        collection=members["collection_name"],
        user_id_field=members["user_id_field"],
    )


def _constants(files: Files, tag: str, secrets: Mapping[str, str]) -> tuple[str, Constants]:
    """Return the environment's name and the constants; the files that are read later have its templates filled in."""
    path = files.root / "environments" / f"{tag or _NO_ENVIRONMENT}.json"
    environment: dict[str, Any] = {"tag": tag, "values": {}}
    if tag and not path.is_file():
        files.report(path).warning(f"there is no file for the environment '{tag}', so it has no values")
    environment["values"] = typed(files.object(path), "values", dict, files.report(path), {})
    files.environment = environment
    values: dict[str, Any] = {}
    for file in files.json_files(files.root / "values"):
        source, report = files.object(file), files.report(file)
        name = typed(source, "name", str, report, file.stem)
        if typed(source, "from_secret", bool, report, False):
            values[name] = secret(typed(source, "value", str, report, name), secrets, report.at("value"))
        else:
            values[name] = source.get("value")
    return tag, Constants(values, environment)
