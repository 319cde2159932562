"""The providers with which people log in by an account at Google, Apple or Facebook: their id tokens are taken."""

from collections.abc import Mapping
from typing import Any

from shared.app.files import typed
from shared.app.model import APPLE, FACEBOOK, GOOGLE, MetadataField, OpenID
from shared.rules.report import Report

OWNERS: Mapping[str, str] = {GOOGLE: "Google", APPLE: "Apple", FACEBOOK: "Facebook"}

_CLAIMS = {
    "email": "email", "name": "name", "first_name": "given_name", "last_name": "family_name", "picture": "picture",
}  # fmt: skip
_UNVERIFIED = FACEBOOK


def read_openid(kind: str, source: Mapping[str, Any], report: Report) -> OpenID | None:
    """Return a provider; None if it names no client, for which no token can have been issued."""
    config, at = typed(source, "config", dict, report, {}), report.at("config")
    clients = _texts(config.get("clientId"), at.at("clientId"), "'clientId' is a text, or an array of texts")
    if not clients:
        at.at("clientId").warning("'clientId' is missing", f"every login with {OWNERS[kind]} is refused with 404")
        return None
    if source.get("redirect_uris"):
        report.at("redirect_uris").unsupported(
            f"login with {OWNERS[kind]} by redirect is not served: programs get an id token and send it",
            "pages that open the login of App Services in a window are refused with 405",
        )
    domains = _texts(source.get("domain_restrictions"), report.at("domain_restrictions"), "it is an array of texts")
    if domains and kind == _UNVERIFIED:
        report.at("domain_restrictions").unsupported(
            "Facebook does not say that an address is verified", "every login with Facebook is refused with 401"
        )
    return OpenID(
        client_ids=frozenset(clients),
        domains=frozenset(each.lower() for each in domains),  # casefold takes ß for ss: another domain
        metadata_fields=tuple(_metadata(kind, source, report)),
    )


def _texts(given: Any, report: Report, sentence: str) -> list[str]:
    values = given if isinstance(given, list) else [] if given in (None, "") else [given]
    if not all(type(each) is str for each in values):
        report.problem(sentence)
        return []
    return [each for each in values if each]


def _metadata(kind: str, source: Mapping[str, Any], report: Report) -> list[MetadataField]:
    """Return what is kept of a token; as on App Services, who has none of a required field can log in."""
    found = []
    for position, each in enumerate(typed(source, "metadata_fields", list, report, [])):
        at = report.at("metadata_fields", position)
        name = typed(each, "name", str, at, "") if isinstance(each, dict) else ""
        if not name:
            at.problem("a metadata field needs a 'name'")
        elif name not in _CLAIMS or (name == "email" and kind == _UNVERIFIED):
            sentence = f"the field '{name}': an id token of {OWNERS[kind]} does not have it, or not verified"
            at.unsupported(sentence, "users come without it")
        else:
            found.append(MetadataField(False, (_CLAIMS[name],), typed(each, "field_name", str, at, name)))
    return found
