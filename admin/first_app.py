"""The files of a first app: who logs in how, and who reads and writes what."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import typer

from shared.settings import DEFAULT_DATA_SOURCE

PROVIDERS: dict[str, dict[str, Any]] = {
    "api-key": {},
    "anon-user": {},
    "local-userpass": {"config": {"autoConfirm": True}},
}
ACCESS = {
    "owner": "owners write, all read",
    "read-own": "owners only",
    "read-all": "no writes",
    "all": "no limits",
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
_OF = "letters, digits, '-' and '_'"
_COLLECTION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,119}")


class FirstApp(NamedTuple):
    """What the files say; without an app id the service takes any, without a namespace the rules are everywhere."""

    app_id: str = ""
    providers: tuple[str, ...] = ("api-key",)
    namespace: str = ""
    access: str = "owner"
    data_source: str = DEFAULT_DATA_SOURCE
    owner: str = "owner"

    def refused(self) -> str:
        """Return what is wrong with the names, "" if nothing is."""
        database, _, collection = self.namespace.partition(".")
        is_named = _NAME.fullmatch(database) and _COLLECTION.fullmatch(collection)
        is_reserved = database.lower() in {"admin", "config", "local"} or collection.startswith("system.")
        is_known = self.providers and PROVIDERS.keys() >= set(self.providers)
        wrong = {
            f"--app-id takes {_OF}, not {self.app_id!r}": self.app_id and not _NAME.fullmatch(self.app_id),
            f"--data-source takes {_OF}, not {self.data_source!r}": not _NAME.fullmatch(self.data_source),
            f"--namespace takes a database and a collection, such as shop.orders, not {self.namespace!r}": (
                self.namespace and not is_named
            ),
            f"{self.namespace} is MongoDB's own": is_reserved,
            f"--provider takes {', '.join(PROVIDERS)}, not {' '.join(self.providers)!r}": not is_known,
            f"--access takes {', '.join(ACCESS)}, not {self.access!r}": self.access not in ACCESS,
            f"--owner takes the name of a field: {_OF}, not {self.owner!r}": not _NAME.fullmatch(self.owner),
        }
        return next((sentence for sentence, holds in wrong.items() if holds), "")

    def files(self) -> dict[str, str]:
        """Return the text of each file by its path."""
        owns = {"name": "owner", "apply_when": {self.owner: "%%user.id"}, "read": True, "write": True}
        everybody = {"name": "everybody", "apply_when": {}, "read": True, "write": True}
        roles = {"owner": [owns, _READS], "read-own": [owns], "read-all": [_READS], "all": [everybody]}[self.access]
        rules: dict[str, Any] = {"roles": roles}
        place = f"data_sources/{self.data_source}"
        if self.namespace:
            database, _, collection = self.namespace.partition(".")
            rules = {"database": database, "collection": collection} | rules
            place = f"{place}/{database}/{collection}"
        documents: dict[str, Any] = {
            "root_config.json": {"app_id": self.app_id} if self.app_id else {},
            "auth/providers.json": {
                name: {"name": name, "type": name, "disabled": False} | PROVIDERS[name] for name in self.providers
            },
            f"{place}/{'rules' if self.namespace else 'default_rule'}.json": rules,
        }
        return {path: json.dumps(document, indent=2) + "\n" for path, document in documents.items()}

    def remarks(self) -> list[str]:
        """Return what is easily missed of what the files say."""
        said = []
        if "local-userpass" in self.providers:
            said.append("autoConfirm: who registers logs in at once, and no letter sees whether the address is theirs")
        if self.access == "all" and {"anon-user", "local-userpass"} & set(self.providers):
            how = "anonymously" if "anon-user" in self.providers else "who registers"
            where = self.namespace or "every collection"
            said.append(f"warning: anybody reads and writes all of {where}, {how}")
        return said


def asked(known: FirstApp, given: frozenset[str]) -> FirstApp:
    """Ask on the terminal, on standard error, for what was not given; ask again where the answer cannot be taken."""
    for member, question in _QUESTIONS.items():
        if member not in given:
            known = _answered(known, member, question)
    return known


_QUESTIONS = {
    "app_id": "The app's id, as in the paths of the API; without one any is taken",
    "providers": f"Who logs in how, some of {', '.join(PROVIDERS)}",
    "namespace": "The collection, such as shop.orders; without one the rules are those of each",
    "access": "\n".join(["Who reads and writes", *(f"  {name}: {what}" for name, what in ACCESS.items()), "Access"]),
}


def _answered(known: FirstApp, member: str, question: str) -> FirstApp:
    def taken(answer: str) -> FirstApp:
        words = tuple(dict.fromkeys(answer.replace(",", " ").split()))
        given: dict[str, Any] = {member: words if member == "providers" else answer.strip()}
        changed = known._replace(**given)
        if wrong := changed.refused():
            raise typer.BadParameter(wrong)
        return changed

    usual = getattr(known, member)
    default = ", ".join(usual) if isinstance(usual, tuple) else usual
    answer: FirstApp = typer.prompt(question, default, show_default=bool(default), value_proc=taken, err=True)
    return answer


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write new files only, all or none; raise FileExistsError if anything is there already."""
    with contextlib.ExitStack() as undone:
        _make(folder, undone)
        if any(folder.iterdir()):
            raise FileExistsError(folder)
        for path, text in texts.items():
            _make((folder / path).parent, undone)
            with (folder / path).open("x", encoding="utf-8") as file:
                undone.callback((folder / path).unlink)
                file.write(text)
        undone.pop_all()


def _make(folder: Path, undone: contextlib.ExitStack) -> None:
    for each in reversed([folder, *folder.parents]):
        if not each.is_dir():
            each.mkdir()
            undone.callback(each.rmdir)
