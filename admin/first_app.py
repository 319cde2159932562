"""The files of a first app: who logs in how, and who reads and writes what."""

import json
import re
from pathlib import Path
from typing import Any, Literal

type Access = Literal["owner", "read-all", "read-own", "all"]

PROVIDERS: dict[str, dict[str, Any]] = {
    "api-key": {},
    "anon-user": {},
    "local-userpass": {"config": {"autoConfirm": True}},
}
_READS: dict[str, Any] = {
    "name": "reader",
    "apply_when": {},
    "read": True,
    "write": False,
    "insert": False,
    "delete": False,
}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
_COLLECTION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,119}")


def refused(app_id: str, data_source: str, namespace: str, owner: str) -> str:
    """Return what is wrong with the names, "" if nothing is."""
    database, _, collection = namespace.partition(".")
    if app_id and not _NAME.fullmatch(app_id):
        return f"--app-id takes letters, digits, '-' and '_', not {app_id!r}"
    if not _NAME.fullmatch(data_source):
        return f"--data-source takes letters, digits, '-' and '_', not {data_source!r}"
    if namespace and not (_NAME.fullmatch(database) and _COLLECTION.fullmatch(collection)):
        return f"--namespace takes a database and a collection, such as shop.orders, not {namespace!r}"
    if database.lower() in {"admin", "config", "local"} or collection.startswith("system."):
        return f"{namespace} is MongoDB's own"
    if not _NAME.fullmatch(owner):
        return f"--owner takes the name of a field: letters, digits, '-' and '_', not {owner!r}"
    return ""


def files(
    app_id: str, providers: tuple[str, ...], data_source: str, namespace: str, access: Access, owner: str
) -> dict[str, str]:
    """Return the text of each file by its path; without a namespace the rules are those of every collection."""
    owns = {"name": "owner", "apply_when": {owner: "%%user.id"}, "read": True, "write": True}
    everybody = {"name": "everybody", "apply_when": {}, "read": True, "write": True}
    roles = {"owner": [owns, _READS], "read-own": [owns], "read-all": [_READS], "all": [everybody]}[access]
    rules: dict[str, Any] = {"roles": roles}
    place = f"data_sources/{data_source}"
    if namespace:
        database, _, collection = namespace.partition(".")
        rules = {"database": database, "collection": collection} | rules
        place = f"{place}/{database}/{collection}"
    documents: dict[str, Any] = {
        "root_config.json": {"app_id": app_id} if app_id else {},
        "auth/providers.json": {
            name: {"name": name, "type": name, "disabled": False} | PROVIDERS[name] for name in providers
        },
        f"{place}/{'rules' if namespace else 'default_rule'}.json": rules,
    }
    return {path: json.dumps(document, indent=2) + "\n" for path, document in documents.items()}


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write new files only; raise FileExistsError if anything is in the folder already."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(folder)
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("x", encoding="utf-8") as file:
            file.write(text)
