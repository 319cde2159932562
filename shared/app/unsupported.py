"""What an app holds that Dozen cannot do, by name."""

from typing import Any

from shared.app.data_api import FOLDERS
from shared.app.files import Files

_FOLDERS = {
    "triggers": "triggers do not run",
    "sync": "Device Sync is not served",
    "graphql": "GraphQL is not served",
    "hosting": "static files are not hosted",
    "log_forwarders": "logs are not forwarded: they go to standard output and Application Insights",
}


def list_unsupported(files: Files) -> None:
    """Add functions, triggers, sync, GraphQL, hosting and custom endpoints to the findings."""
    functions = files.root / "functions"
    for source in sorted(functions.rglob("*.js")) if functions.is_dir() else []:
        if not source.is_symlink() and "node_modules" not in source.parts:
            name = source.relative_to(functions).with_suffix("").as_posix()
            files.report(source).unsupported(f"function '{name}': JavaScript cannot run")
    for name, sentence in _FOLDERS.items():
        if any((files.root / name).rglob("*.json")) if (files.root / name).is_dir() else False:
            files.report(files.root / name).unsupported(sentence)
    for folder in FOLDERS:
        path = files.root / folder / "config.json"
        for position, endpoint in enumerate(files.array(path)):
            route = _route(endpoint)
            files.report(path).at(position).unsupported(f"custom endpoint '{route}': its function cannot run")


def _route(endpoint: Any) -> str:
    if not isinstance(endpoint, dict):
        return "?"
    return f"{endpoint.get('http_method', '*')} {endpoint.get('route', '?')}"
