"""An exported app's folder -> App."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.app import data_sources as sources
from shared.app import providers
from shared.app.additions import read_administer
from shared.app.background_triggers import database_triggers, scheduled_triggers
from shared.app.data_api import read_data_api
from shared.app.endpoints import read_endpoints
from shared.app.files import AppError, FileFinding, Files, secret, typed
from shared.app.functions import find_functions, read_functions
from shared.app.model import App, CustomUserData, DataSource
from shared.app.triggers import authentication_triggers, read_triggers
from shared.app.unsupported import list_unsupported
from shared.app.webhooks import read_webhooks
from shared.rules.compiler.operands import Constants
from shared.rules.report import NOT_SERVED, Report
from shared.settings import DEFAULT_DATA_SOURCE

_NO_ENVIRONMENT = "no-environment"
_ENVIRONMENTS = (_NO_ENVIRONMENT, "development", "testing", "qa", "production")
_ROOTS = ("root_config.json", "realm_config.json", "config.json", "stitch.json")


def load(
    folder: Path, secrets: Mapping[str, str], data_sources: frozenset[str] | None = None, *, has_http: bool = False
) -> App:
    """Return the app; raise AppError with everything that is wrong with it.

    `secrets` are values by folded name; `data_sources` the folded names of those that are configured, None if that is
    not to be checked; `has_http` says that functions have hosts that they may ask.
    """
    if not folder.is_dir():
        is_what = "is a file, perhaps to be unpacked" if folder.exists() else "folder does not exist"
        sentence = f"this {is_what}: APP_CONFIG_DIR must name the folder of an exported app"
        raise AppError([FileFinding(str(folder), "problem", "", sentence, NOT_SERVED)])
    files = Files(folder)
    root = next((folder / name for name in _ROOTS if (folder / name).is_file()), folder / _ROOTS[0])
    if not root.is_file():
        inner = sorted(each.parent.name for name in _ROOTS for each in folder.glob(f"*/{name}"))
        meant = f"is '{inner[0]}' meant, the folder in this one?" if inner else "is this the folder of an exported app?"
        files.report(root).problem(f"the file is missing: {meant}")
    config = files.object(root)
    report = files.report(root)
    tag, constants = _constants(files, _tag(files, config, report), secrets)
    files.miss("%%environment", root, report.at("environment"))
    logins = providers.read_providers(files, secrets)
    webhooks = read_webhooks(files)
    found_functions = find_functions(files, webhooks)
    constants = constants._replace(user_data=providers.user_data(logins), functions=frozenset(found_functions))
    origins = typed(config, "allowed_request_origins", list, report, [])
    data = sources.read_data_sources(files, constants, data_sources)
    services = _services(data)
    functions = read_functions(found_functions, files, constants, _seen(config), services, has_http=has_http)
    triggers = read_triggers(files, functions.by_name)
    app = App(
        app_id=typed(config, "app_id", str, report, ""),
        name=typed(config, "name", str, report, ""),
        environment=tag,
        values=constants.values,
        providers=logins,
        custom_user_data=_custom_user_data(files),
        data_api=read_data_api(files, constants, secrets),
        data_sources=data,
        functions=functions,
        endpoints=read_endpoints(files, constants, secrets, functions, webhooks),
        authentication_triggers=authentication_triggers(triggers),
        database_triggers=database_triggers(triggers, services),
        scheduled_triggers=scheduled_triggers(triggers),
        administer=read_administer(files, constants),
        allowed_request_origins=frozenset(str(origin).rstrip("/") for origin in origins),
    )
    files.check_called(functions.by_name)
    list_unsupported(files)
    if files.has_problem():
        raise AppError(files.findings)
    found = {"findings": tuple(files.findings), "fingerprint": files.fingerprint(secrets)}
    return App(**{name: getattr(app, name) for name in app.__struct_fields__} | found)


def _seen(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what functions see of their app; what Atlas knew of a project and a deployment of its own is empty."""
    app_id = str(config.get("app_id", ""))
    deployment = {"model": str(config.get("deployment_model", "")), "providerRegion": str(config.get("location", ""))}
    known = {"id": app_id, "clientAppId": app_id, "name": str(config.get("name", "")), "projectId": ""}
    return {**known, "deployment": deployment, "lastDeployed": ""}


def _services(data: Mapping[str, DataSource]) -> frozenset[str]:
    """Return the names of the services that functions find: an only data source has the usual one, too."""
    return frozenset(each.name for each in data.values()) | ({DEFAULT_DATA_SOURCE} if len(data) < 2 else set())


def _custom_user_data(files: Files) -> CustomUserData | None:
    path = files.root / "auth" / "custom_user_data.json"
    source, report = files.object(path), files.report(path)
    if not typed(source, "enabled", bool, report, False):
        return None
    names = ("mongo_service_name", "database_name", "collection_name", "user_id_field")
    members = {name: typed(source, name, str, report, "") for name in names}
    missing = [name for name in names if not members[name] and not report.at(name).is_wrong]
    if missing:
        named = ", ".join(f"'{name}'" for name in missing)
        report.at(missing[0]).problem(
            f"{named} {'is' if len(missing) == 1 else 'are'} missing: custom user data is enabled"
        )
    if members["user_id_field"] and not all(
        part and not part.startswith("$") for part in members["user_id_field"].split(".")
    ):
        report.at("user_id_field").problem("'user_id_field' must be the path of a field")
    name = "on_user_creation_function_name"
    creating = files.called(source, name, report, "no user is created", "name none") if source.get(name) else ""
    return CustomUserData(
        service=members["mongo_service_name"],
        database=members["database_name"],
        collection=members["collection_name"],
        user_id_field=members["user_id_field"],
        on_user_creation=creating,
    )


def _tag(files: Files, config: Mapping[str, Any], report: Report) -> str:
    tag: str = typed(config, "environment", str, report, "")
    if tag and tag not in _ENVIRONMENTS and not _environment_file(files, tag).is_file():
        report.at("environment").problem(f"'environment' is one of {', '.join(_ENVIRONMENTS)}, or has a file")
    return tag


def _environment_file(files: Files, tag: str) -> Path:
    return files.root / "environments" / f"{tag or _NO_ENVIRONMENT}.json"


def _constants(files: Files, tag: str, secrets: Mapping[str, str]) -> tuple[str, Constants]:
    """Return the environment's name and the constants; the files that are read later have its templates filled in."""
    path = _environment_file(files, tag)
    environment: dict[str, Any] = {"tag": tag, "values": {}}
    environment["values"] = typed(files.object(path), "values", dict, files.report(path), {})
    files.environment = environment
    files.miss("%%environment.values", path, files.report(path))
    values: dict[str, Any] = {}
    for file in files.json_files(files.root / "values"):
        source, report = files.object(file), files.report(file)
        name = typed(source, "name", str, report, file.stem)
        if typed(source, "from_secret", bool, report, False):
            values[name] = secret(typed(source, "value", str, report, name), secrets, report.at("value"))
        else:
            values[name] = source.get("value")
        files.miss(f"%%values.{file.stem}", file, report)
    return tag, Constants(values, environment)
