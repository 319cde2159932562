"""The webhooks of older apps, each with a source of its own: services/<service>/incoming_webhooks/<name>."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shared.app.files import Files, typed
from shared.rules.report import Report

_FOLDERS = ("services", "http_endpoints", "https_endpoints")
_HTTP = "http"


class Webhook(NamedTuple):
    """A webhook that is not disabled: what is said of it as an endpoint, and as a function."""

    route: str
    endpoint: Mapping[str, Any]
    options: Mapping[str, Any]
    function: Mapping[str, Any]
    name: str
    """Of its function: a path, which no other function has for a name."""
    source: Path
    report: Report


def read_webhooks(files: Files) -> list[Webhook]:
    """Return the webhooks; those of services that are called by one company are findings."""
    found = []
    for service, folder in _services(files):
        config, report = files.object(service / "config.json"), files.report(service / "config.json")
        name, kind = typed(config, "name", str, report, service.name), typed(config, "type", str, report, _HTTP)
        own, at = files.object(folder / "config.json"), files.report(folder / "config.json")
        if typed(own, "disabled", bool, at, False):
            continue
        webhook = _webhook(files, name, folder, own, at)
        if kind != _HTTP:
            at.unsupported(
                f"webhook '{webhook.route}': what a service of type '{kind}' sends is not read",
                "whoever calls it is refused with 404",
            )
        else:
            found.append(webhook)
    return found


def _services(files: Files) -> Iterator[tuple[Path, Path]]:
    for top in _FOLDERS:
        for service in files.folders(files.root / top):
            for webhook in files.folders(service / "incoming_webhooks"):
                yield service, webhook


def _webhook(files: Files, service: str, folder: Path, config: Mapping[str, Any], report: Report) -> Webhook:
    options, source = typed(config, "options", dict, report, {}), folder / "source.js"
    rights = {name: config[name] for name in ("run_as_user_id", "run_as_user_id_script_source") if config.get(name)}
    is_of_caller = typed(config, "run_as_authed_user", bool, report, False)
    return Webhook(
        route=f"/{service}/{typed(config, 'name', str, report, folder.name)}",
        endpoint=config,
        options=options,
        function={"private": True, "run_as_system": not rights and not is_of_caller, **rights},
        name=source.relative_to(files.root).as_posix(),
        source=source,
        report=report,
    )
