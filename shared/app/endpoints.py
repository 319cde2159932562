"""The HTTPS endpoints of an app, and the webhooks of older ones: which function answers which route, on which terms."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from shared.app.data_api import FOLDERS, read_can_evaluate, read_return_type, read_validation
from shared.app.files import Files, typed
from shared.app.model import ANSWERING, ANY_METHOD, Endpoint, Endpoints, Function, Functions, Validation
from shared.app.webhooks import Webhook
from shared.rules.compiler.operands import Constants
from shared.rules.report import Report
from shared.settings import folded

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", ANY_METHOD)
_ROUTE = re.compile(r"/|(/(?!\.{1,2}(?:/|\Z))[!-.0-~]+)+/?")
_RESERVED = frozenset("?#%\\")
_OF_DATA_API = "/data/"
_OPEN = frozenset({None, "", "NO_VALIDATION"})
_NOT_FOUND = "whoever calls it is refused with 404"
_REFUSED = "every call of it is refused with 403"


def read_endpoints(
    files: Files, constants: Constants, secrets: Mapping[str, str], functions: Functions, webhooks: Iterable[Webhook]
) -> Endpoints:
    """Return the endpoints that are not disabled; those whose function is not there are findings."""
    reading = _Reading(constants, secrets, functions)
    for folder in FOLDERS:
        path = files.root / folder / "config.json"
        for position, source in enumerate(files.array(path)):
            reading.take(source, files.report(path).at(position))
    for each in webhooks:
        reading.take_webhook(each)
    return (
        Endpoints(by_route=reading.by_route, functions=_with_answering(functions)) if reading.by_route else Endpoints()
    )


class _Reading:
    """The endpoints that have been read so far."""

    def __init__(self, constants: Constants, secrets: Mapping[str, str], functions: Functions) -> None:
        self._constants = constants
        self._secrets = secrets
        self._functions = functions.by_name
        self.by_route: dict[str, dict[str, Endpoint]] = {}

    def take(self, source: Any, report: Report) -> None:
        """Take an entry of the list of endpoints."""
        if not isinstance(source, dict):
            report.problem("an endpoint is an object with its route")
            return
        if typed(source, "disabled", bool, report, False):
            return
        route, method = typed(source, "route", str, report, ""), _method(source, report)
        name = typed(source, "function_name", str, report, "")
        if not _ROUTE.fullmatch(route) or not _RESERVED.isdisjoint(route):
            report.at("route").problem("a route begins with '/', and is letters and digits of ASCII, as in a URL")
        elif route.lower().startswith(_OF_DATA_API):  # hosts match the Data API's own without regard to case
            report.at("route").unsupported(
                f"custom endpoint '{method} {route}': this route is the Data API's", _NOT_FOUND
            )
        elif name not in self._functions:
            sentence = f"custom endpoint '{method} {route}': function '{name}' is not there: add it"
            report.at("function_name").unsupported(sentence, _NOT_FOUND)
        else:
            proof = read_validation(source, self._secrets, report)
            self._add(route, method, self._endpoint(source, self._functions[name], proof, report), report)

    def take_webhook(self, webhook: Webhook) -> None:
        """Take a webhook, whose function is its own."""
        options, report, function = webhook.options, webhook.report, self._functions.get(webhook.name)
        method, at = _method(options, report.at("options"), "httpMethod"), report.at("options")
        if function is None:
            return
        name, is_open = typed(options, "secret", str, at, ""), options.get("validationMethod") in _OPEN
        if name and not is_open and folded(name) not in self._secrets:  # perhaps it is the secret itself
            at.at("secret").problem("it is the name of no secret that has a value: set APP_SECRET_<name>")
            return
        proof = read_validation(options, self._secrets, at, "secret")
        made = self._endpoint(webhook.endpoint, function, proof, report)
        self._add(webhook.route, method, structs.replace(made, is_webhook=True), report)

    def _add(self, route: str, method: str, endpoint: Endpoint, report: Report) -> None:
        methods = self.by_route.setdefault(route.rstrip("/"), {})
        if method in methods:
            report.at("route").problem(f"there are two endpoints '{method} {route}'")
        methods[method] = endpoint

    def _endpoint(
        self, source: Mapping[str, Any], function: Function, proof: tuple[Validation, str | None], report: Report
    ) -> Endpoint:
        validation, secret = proof
        return Endpoint(
            function=function.name,
            needs_credentials=not (function.run_as_system or function.run_as_user_id or function.script),
            respond_result=typed(source, "respond_result", bool, report, False),
            return_type=read_return_type(source, report),
            create_user_on_auth=typed(source, "create_user_on_auth", bool, report, False),
            fetch_custom_user_data=typed(source, "fetch_custom_user_data", bool, report, False),
            can_evaluate=read_can_evaluate(source, self._constants, report, _REFUSED),
            run_as_user_id=function.run_as_user_id or None,
            run_as_system=function.run_as_system,
            validation=validation,
            secret=secret,
        )


def _method(source: Mapping[str, Any], report: Report, name: str = "http_method") -> str:
    method = typed(source, name, str, report, ANY_METHOD).upper()
    method = ANY_METHOD if method == "ANY" else method
    if method not in _METHODS:
        report.at(name).problem(f"'{name}' is one of {', '.join(_METHODS)}")
    return method


def _with_answering(functions: Functions) -> Functions:
    """Return the functions with the one that calls those of endpoints; calls from elsewhere do not read it."""
    source = (Path(__file__).parents[1] / "javascript" / "functions" / ANSWERING).read_text()
    by_name = {**functions.by_name, ANSWERING: Function(name=ANSWERING, private=True)}
    return structs.replace(functions, by_name=by_name, sources=functions.sources.beside(ANSWERING, source))
