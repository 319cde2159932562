"""What an app holds that Dozen cannot do, by name; what is empty, disabled or at its default is not listed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.app.files import Files
from shared.rules.report import Report


def list_unsupported(files: Files) -> None:
    """Add sync, GraphQL, hosting and log forwarders to the findings."""
    _sync(files)
    for resolver, report in _objects(files, files.root / "graphql" / "custom_resolvers"):
        name = f"{resolver.get('on_type', '?')}.{resolver.get('field_name', '?')}"
        report.unsupported(
            f"resolver '{name}': GraphQL is not served, so let programs call actions or functions",
            "every GraphQL query is refused with 404",
        )
    _hosting(files)
    for forwarder, report in _objects(files, files.root / "log_forwarders"):
        sentence = f"log forwarder '{forwarder.get('name')}': logs go to standard output and Application Insights"
        report.unsupported(sentence, "users notice nothing; whoever read the forwarded logs finds them there")


def _objects(files: Files, folder: Path) -> Iterator[tuple[Mapping[str, Any], Report]]:
    """Give what the files of a folder hold, if it is not disabled."""
    for path in files.json_files(folder):
        source = files.object(path)
        if source and source.get("disabled") is not True:
            yield source, files.report(path)


def _sync(files: Files) -> None:
    path = files.root / "sync" / "config.json"
    config = files.object(path)
    is_on = config["state"] == "enabled" if "state" in config else any(config.values())
    if is_on:
        files.report(path).unsupported(
            "Device Sync is not served: let programs call actions, and watch",
            "programs that sync with it cannot connect",
        )


def _hosting(files: Files) -> None:
    folder = files.root / "hosting"
    is_disabled = files.object(folder / "config.json").get("enabled") is False
    if not is_disabled and any(path.is_file() for path in (folder / "files").rglob("*")):
        files.report(folder).unsupported(
            "static files are not hosted: move them to a host for pages, whose origin the app allows",
            "whoever opens one of the pages gets 404",
        )
