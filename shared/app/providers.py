"""The authentication providers of an app: `auth/providers.json`, or a file each in the old layout."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from shared.app.files import Files, secret, typed
from shared.app.model import Algorithm, CustomToken, EmailPassword, MetadataField, Providers
from shared.app.openid import OWNERS, read_openid
from shared.rules.report import Report
from shared.settings import TRUSTED_URL

_MOST_KEYS = 3
_HS256_KEY = re.compile(r"[A-Za-z0-9_-]{32,512}")
_LONGEST_FIELD = 64
_SHARED_KEYS = "microsoftonline."
"""Where a tenant's set of keys is that of all."""
_FILE = ("auth", "providers.json")
_OLD_FOLDER = "auth_providers"


def read_providers(files: Files, secrets: Mapping[str, str]) -> Providers:
    """Return the providers that are not disabled."""
    enabled: dict[str, tuple[dict[str, Any], Report]] = {}
    for source, report in _sources(files):
        kind = typed(source, "type", str, report, "")
        if typed(source, "disabled", bool, report, False) or report.at("disabled").is_wrong:
            continue
        if kind in _KNOWN:
            enabled[kind] = source, report
        else:
            report.at("type").problem(f"'type' is one of {', '.join(_KNOWN)}")
    return Providers(
        anonymous="anon-user" in enabled,
        api_key="api-key" in enabled,
        email_password=_email_password(*enabled["local-userpass"], files) if "local-userpass" in enabled else None,
        custom_token=_custom_token(*enabled["custom-token"], secrets) if "custom-token" in enabled else None,
        custom_function=_custom_function(*enabled["custom-function"], files) if "custom-function" in enabled else None,
        openid={
            kind: made for kind in OWNERS if kind in enabled and (made := read_openid(kind, *enabled[kind])) is not None
        },
    )


_KNOWN = ("anon-user", "api-key", "local-userpass", "custom-token", "custom-function", *OWNERS)


def _sources(files: Files) -> list[tuple[dict[str, Any], Report]]:
    path = files.root.joinpath(*_FILE)
    report = files.report(path)
    found: list[tuple[dict[str, Any], Report]] = []
    for name, source in files.object(path).items():
        if isinstance(source, dict):
            found.append((source, report.at(name)))
        else:
            report.at(name).problem("a provider is an object")
    found += [(files.object(each), files.report(each)) for each in files.json_files(files.root / _OLD_FOLDER)]
    return found


def _email_password(source: Mapping[str, Any], report: Report, files: Files) -> EmailPassword:
    config, at = typed(source, "config", dict, report, {}), report.at("config")
    runs_confirmation = typed(config, "runConfirmationFunction", bool, at, False)
    runs_reset = typed(config, "runResetFunction", bool, at, False)
    refused = "every registration by e-mail is refused with 400"
    unset = "every reset of a password by the function is refused with 400"
    return EmailPassword(
        auto_confirm=typed(config, "autoConfirm", bool, at, False),
        confirmation_url=typed(config, "emailConfirmationUrl", str, at, ""),
        confirmation_subject=typed(config, "confirmEmailSubject", str, at, ""),
        reset_url=typed(config, "resetPasswordUrl", str, at, ""),
        reset_subject=typed(config, "resetPasswordSubject", str, at, ""),
        confirmation_function=files.called(
            config, "confirmationFunctionName", at, refused, "set autoConfirm and no runConfirmationFunction"
        )
        if runs_confirmation
        else None,
        reset_function=files.called(config, "resetFunctionName", at, unset, "set no runResetFunction, and mail links")
        if runs_reset
        else None,
    )


def _custom_function(source: Mapping[str, Any], report: Report, files: Files) -> str:
    config, at = typed(source, "config", dict, report, {}), report.at("config")
    return files.called(
        config, "authFunctionName", at, "every login by the function is refused with 401", "disable this provider"
    )


def _custom_token(source: Mapping[str, Any], report: Report, secrets: Mapping[str, str]) -> CustomToken:
    config, at = typed(source, "config", dict, report, {}), report.at("config")
    algorithm: Algorithm = typed(config, "signingAlgorithm", str, at, "HS256")
    if algorithm not in get_args(Algorithm.__value__):
        at.at("signingAlgorithm").problem("'signingAlgorithm' is HS256, RS256 or ES256")
        algorithm = "HS256"
    jwk_uri = _jwk_uri(config, at)
    has_keys = jwk_uri is None and not at.at("useJWKURI").is_wrong
    keys = _signing_keys(source, algorithm, report, secrets) if has_keys else ()
    issuers = _texts(config, "issuer", at)
    if jwk_uri and not issuers and _SHARED_KEYS in jwk_uri:
        at.at("jwkURI").warning(
            "these keys sign for all tenants: add 'issuer', as your tokens have it in 'iss'",
            "another tenant that names your audience logs its users in",
        )
    return CustomToken(
        audience=_texts(config, "audience", at),
        issuers=issuers,
        require_any_audience=typed(config, "requireAnyAudience", bool, at, False),
        algorithm="RS256" if jwk_uri and algorithm == "HS256" else algorithm,
        signing_keys=keys,
        jwk_uri=jwk_uri,
        metadata_fields=_metadata(source, report),
    )


def _jwk_uri(config: Mapping[str, Any], report: Report) -> str | None:
    if not typed(config, "useJWKURI", bool, report, False):
        return None
    uri = str(typed(config, "jwkURI", str, report, ""))
    if not TRUSTED_URL.fullmatch(uri):
        report.at("jwkURI").problem("'jwkURI' must be an https address: whoever answers for it decides who logs in")
    return uri


def _signing_keys(
    source: Mapping[str, Any], algorithm: Algorithm, report: Report, secrets: Mapping[str, str]
) -> tuple[str, ...]:
    at = report.at("secret_config", "signingKeys")
    names = typed(typed(source, "secret_config", dict, report, {}), "signingKeys", list, report.at("secret_config"), [])
    if not 1 <= len(names) <= _MOST_KEYS:
        at.problem(f"'signingKeys' names 1 to {_MOST_KEYS} secrets")
    keys = []
    for position, name in enumerate(names):
        key = secret(str(name), secrets, at.at(position))
        if report.at("config", "signingAlgorithm").is_wrong:  # of which algorithm the key must be is not known
            continue
        if key and algorithm == "HS256" and not _HS256_KEY.fullmatch(key):
            at.at(position).problem(f"the secret '{name}' must have 32 to 512 letters, digits, '-' or '_'")
        if key and algorithm != "HS256" and "-----BEGIN PUBLIC KEY-----" not in key:
            at.at(position).problem(f"the secret '{name}' must be a public key in PEM format")
        keys.append(key)
    return tuple(keys)


def _texts(config: Mapping[str, Any], name: str, report: Report) -> tuple[str, ...]:
    given = config.get(name)
    values = given if isinstance(given, list) else [given] if given not in (None, "") else []
    if not all(isinstance(each, str) for each in values):
        report.at(name).problem(f"'{name}' is a text or an array of texts")
        return ()
    return tuple(values)


def _metadata(source: Mapping[str, Any], report: Report) -> tuple[MetadataField, ...]:
    found = []
    for position, each in enumerate(typed(source, "metadata_fields", list, report, [])):
        at = report.at("metadata_fields", position)
        name = typed(each, "name", str, at, "") if isinstance(each, dict) else ""
        if not name:
            at.problem("a metadata field needs a 'name': its path in the token")
            continue
        path = tuple(part.replace(r"\.", ".") for part in re.split(r"(?<!\\)\.", name))
        target = typed(each, "field_name", str, at, path[-1])
        if len(target) >= _LONGEST_FIELD:
            at.at("field_name").problem(f"'field_name' must be shorter than {_LONGEST_FIELD} characters")
        found.append(MetadataField(typed(each, "required", bool, at, False), path, target))
    return tuple(found)


def user_data(providers: Providers) -> frozenset[str]:
    """Return the members that `%%user.data` has: those of an address, of a key, and of tokens."""
    issuers = [each for each in (providers.custom_token, *providers.openid.values()) if each is not None]
    return frozenset({"email", "name", *(field.target for each in issuers for field in each.metadata_fields)})
