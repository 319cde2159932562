"""`http_endpoints/data_api_config.json` of an app."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.app.files import Files, secret, typed
from shared.app.model import DataAPI, Validation
from shared.rules.compiler.expressions import compile_expression
from shared.rules.compiler.operands import Constants, Scope
from shared.rules.expressions import Expression
from shared.rules.report import Report

FOLDERS = ("http_endpoints", "https_endpoints")
_VALIDATIONS: tuple[Validation, ...] = ("NO_VALIDATION", "SECRET_AS_QUERY_PARAM", "VERIFY_PAYLOAD")


def read_data_api(files: Files, constants: Constants, secrets: Mapping[str, str]) -> DataAPI:
    """Return how the Data API of the app is called; an app without the file serves it with the defaults."""
    path = _file(files)
    source, report = files.object(path), files.report(path)
    validation, value = read_validation(source, secrets, report)
    run_as_user_id = typed(source, "run_as_user_id", str, report, None)
    if typed(source, "run_as_user_id_script_source", str, report, ""):
        at = report.at("run_as_user_id_script_source")
        at.unsupported(
            "a script chooses the user of a function, not of the Data API: callers must send credentials",
            "every call without credentials is refused with 400",
        )
    run_as_system = typed(source, "run_as_system", bool, report, False)
    if run_as_system and run_as_user_id:
        report.at("run_as_user_id").problem("run_as_system and run_as_user_id exclude each other")
    return DataAPI(
        disabled=typed(source, "disabled", bool, report, False),
        versions=_versions(source, report),
        return_type=read_return_type(source, report),
        create_user_on_auth=typed(source, "create_user_on_auth", bool, report, False),
        fetch_custom_user_data=typed(source, "fetch_custom_user_data", bool, report, False),
        can_evaluate=read_can_evaluate(
            source, constants, report, "every call is refused with 403, but for those with system keys"
        ),
        run_as_user_id=run_as_user_id,
        run_as_system=run_as_system,
        validation=validation,
        secret=value,
    )


def _file(files: Files) -> Path:
    paths = [files.root / folder / "data_api_config.json" for folder in FOLDERS]
    return next((path for path in paths if path.is_file()), paths[0])


def read_can_evaluate(source: Mapping[str, Any], constants: Constants, report: Report, refused: str) -> Expression:
    """Return what has to be true of a call; `refused` says what it means where it never is."""
    given, at = source.get("can_evaluate"), report.at("can_evaluate")
    expression = compile_expression({} if given is None else given, Scope.CALL, constants, at, refused)
    if expression.constant is False:
        at.warning("'can_evaluate' is never true", refused)
    return expression


def read_validation(
    source: Mapping[str, Any], secrets: Mapping[str, str], report: Report, member: str = "secret_name"
) -> tuple[Validation, str | None]:
    """Return how every call proves itself, and the secret for that, whose name is a member."""
    name = next((each for each in ("verification_method", "validationMethod") if each in source), "validation_method")
    method = typed(source, name, str, report, "NO_VALIDATION")
    if method not in _VALIDATIONS:
        report.at(name).problem(f"'{name}' must be one of {', '.join(_VALIDATIONS)}")
        return "NO_VALIDATION", None
    if method == "NO_VALIDATION":
        return method, None
    secret_name, at = typed(source, member, str, report, ""), report.at(member)
    if not secret_name:
        config = typed(source, "secret_config", dict, report, {})
        at = report.at("secret_config", "secret_name") if config else at
        secret_name = typed(config, "secret_name", str, report.at("secret_config"), "")
    if not secret_name:
        at.problem(f"'{member}' is missing: {method} needs a secret")
        return method, None
    return method, secret(secret_name, secrets, at)


def _versions(source: Mapping[str, Any], report: Report) -> frozenset[str] | None:
    versions = typed(source, "versions", list, report, None)
    if versions is None:
        return None
    for position, version in enumerate(versions):
        if version not in ("beta", "v1"):
            report.at("versions", position).problem("a version is 'beta' or 'v1'")
    return frozenset(str(version) for version in versions)


def read_return_type(source: Mapping[str, Any], report: Report) -> Any:
    """Return the format of replies whose caller asks for none, None if the file does not say."""
    given = typed(source, "return_type", str, report, None)
    if given not in (None, "JSON", "EJSON"):
        report.at("return_type").problem("'return_type' is 'JSON' or 'EJSON'")
        return None
    return given
