"""The files of an app: what is read of each, what is wrong with it, and the secrets that no file holds."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from bson.code import Code

from shared.documents import ejson
from shared.errors import InvalidJSONError
from shared.rules.report import Finding, Level, Report
from shared.rules.values import MISSING, walk
from shared.settings import folded

LARGEST_FILE = 4 * 1024 * 1024
_TEMPLATE = re.compile(r"%\(%%environment\.values\.([^)]+)\)")


class FileFinding(NamedTuple):
    """A finding, and the file of the app that it is in."""

    file: str
    level: Level
    path: str
    sentence: str
    effect: str
    """What it means for the app's users."""

    @classmethod
    def of(cls, file: str, finding: Finding) -> "FileFinding":
        """Name the file of a finding."""
        return cls(file, finding.level, finding.path, finding.sentence, finding.effect)


class AppError(Exception):
    """The app has mistakes, so nothing is served with half of its rules; `findings` are all of them."""

    def __init__(self, findings: Sequence[FileFinding]) -> None:
        """Take everything that was found; at least one is a problem."""
        self.findings = tuple(findings)
        problems = [finding for finding in findings if finding.level == "problem"]
        first = problems[0]
        place = f"{first.file} at {first.path}" if first.path else first.file
        others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{place}: {first.sentence}{others}; run `dozen app check`")


class Files:
    """Reads the files under an app's folder; findings gather in it, each with its file."""

    def __init__(self, root: Path) -> None:
        """Take the folder."""
        self.root = root
        self.environment: Mapping[str, Any] = {}
        self.unread: dict[str, str] = {}
        """What the expansions start with whose files are wrong, and these files: that others miss them follows."""
        self._reports: dict[Path, Report] = {}  # whose names cost more than all else, and only findings have them
        self._called: list[tuple[str, Report, str, str]] = []
        self._read = sha256()

    def called(self, source: Mapping[str, Any], name: str, report: Report, effect: str, mend: str) -> str:
        """Return a member that names a function of the app; what it means if that is not there is a warning later.

        `mend` is what can be done beside adding the function.
        """
        function: str = typed(source, name, str, report, "")
        self._called.append((function, report.at(name), effect, mend))
        return function

    def check_called(self, functions: Collection[str]) -> None:
        """Warn of each function that is named and not there, now that they are known."""
        for function, report, effect, mend in self._called:
            if function not in functions:
                missing = (
                    f"function '{function}' is not there: add it" if function else "no function is named: name one"
                )
                report.warning(f"{missing}, or {mend}", effect)

    @property
    def findings(self) -> list[FileFinding]:
        """All that was found, file by file; what is missing for many places is one mistake."""
        found: list[FileFinding] = []
        causes: set[str] = set()
        for path, report in self._reports.items():
            file = self._name(path) if report.findings else ""
            for finding in report.findings:
                if finding.cause and (finding.cause in causes or self._follows(file, finding)):
                    continue
                causes.add(finding.cause)
                found.append(FileFinding.of(file, finding))
        return found

    def _follows(self, file: str, finding: Finding) -> bool:
        return any(finding.cause.startswith(prefix) and file != wrong for prefix, wrong in self.unread.items())

    def miss(self, prefix: str, path: Path, report: Report) -> None:
        """Take note that expansions may have no value because a file is wrong, if it is."""
        if report.is_wrong:
            self.unread[prefix] = self._name(path)

    def fingerprint(self, secrets: Mapping[str, str]) -> str:
        """Return a hash of all that was read so far, and of the secrets: it changes with what the app means."""
        whole = self._read.copy()
        whole.update(repr(sorted(secrets.items())).encode(errors="surrogateescape"))
        return whole.hexdigest()

    def note(self, texts: Mapping[str, str | None]) -> None:
        """Take note of what was read by others."""
        self._read.update(repr(sorted(texts)).encode(errors="surrogateescape"))
        for each in sorted(texts):
            self._read.update((texts[each] or "").encode())

    def report(self, path: Path) -> Report:
        """Return the report of a file."""
        return self._reports.setdefault(path, Report())

    def _name(self, path: Path) -> str:
        name = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()
        return name or "."

    def has_problem(self) -> bool:
        """Tell whether something was found that keeps the app from being used."""
        return any(report.is_wrong for report in self._reports.values())

    def object(self, path: Path) -> dict[str, Any]:
        """Return the object in a file, {} if there is no file or it is wrong; templates in it are filled in."""
        value = self._value(path)
        if value is MISSING:
            return {}
        if not isinstance(value, dict):
            self.report(path).problem("the file must hold a JSON object")
            return {}
        return value

    def array(self, path: Path) -> list[Any]:
        """Return the array in a file, [] if there is no file or it is wrong."""
        value = self._value(path)
        if value is MISSING:
            return []
        if not isinstance(value, list):
            self.report(path).problem("the file must hold a JSON array")
            return []
        return value

    def text(self, path: Path) -> str | None:
        """Return the text in a file, None if there is no file or it is wrong."""
        content = self._content(path) if path.is_file() else None
        if content is None:
            return None
        try:
            text = content.decode()
        except UnicodeDecodeError:
            self.report(path).problem("the file is not UTF-8")
            return None
        if "\0" in text:
            self.report(path).problem("the file holds a NUL character")
            return None
        return text

    def folders(self, path: Path) -> Iterator[Path]:
        """Give the folders in a folder, by name."""
        return (each for each in self._entries(path) if each.is_dir())

    def json_files(self, path: Path) -> Iterator[Path]:
        """Give the JSON files in a folder, by name."""
        return (each for each in self._entries(path) if each.is_file() and each.suffix == ".json")

    def _entries(self, path: Path) -> list[Path]:
        if not path.is_dir():
            return []
        return sorted(each for each in path.iterdir() if not each.name.startswith(".") and not each.is_symlink())

    def _value(self, path: Path) -> Any:
        if not path.is_file():
            return MISSING
        text = self._content(path)
        if text is None or not text.strip():
            return MISSING
        report = self.report(path)
        try:
            parsed = ejson.value(text)
        except InvalidJSONError as error:
            report.problem(f"the file cannot be read: {error}")
            return MISSING
        return self._filled(parsed, report)

    def _content(self, path: Path) -> bytes | None:
        """Return the bytes of a file, None if they cannot be read."""
        report = self.report(path)
        try:
            if path.stat().st_size > LARGEST_FILE:
                report.problem(f"the file is larger than {LARGEST_FILE} bytes")
                return None
            content = path.read_bytes()
        except OSError as error:
            report.problem(f"the file cannot be read: {error.strerror}")
            return None
        self._read.update(repr((path.relative_to(self.root).as_posix(), content)).encode(errors="surrogateescape"))
        return content

    def _filled(self, value: Any, report: Report) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(each, report.at(name)) for name, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each, report.at(position)) for position, each in enumerate(value)]
        if type(value) is not str or isinstance(value, Code) or "%(" not in value:
            return value
        return _TEMPLATE.sub(lambda match: self._environment_value(match[1], report), value)

    def _environment_value(self, name: str, report: Report) -> str:
        value = walk(self.environment, ("values", *name.split(".")))
        if value is MISSING:
            sentence = f"the environment has no value '{name}': add it to the environment's file, or correct its name"
            report.problem(sentence, cause=f"%%environment.values.{name}")
            return ""
        return str(value)


def typed(source: Mapping[str, Any], name: str, kind: type, report: Report, default: Any) -> Any:
    """Return a member of a type; one of another type is a problem. Null and empty text count as not set."""
    value = source.get(name)
    if value is None or value == "":
        return default
    if type(value) is not kind:
        report.at(name).problem(f"'{name}' must be {_KINDS[kind]}")
        return default
    return value


_KINDS: dict[type, str] = {bool: "true or false", str: "a text", list: "an array", dict: "an object"}


def secret(name: str, secrets: Mapping[str, str], report: Report) -> str:
    """Return a secret's value; without one it is a problem that names the variable to set."""
    value = secrets.get(folded(name))
    if value is None:
        variable = f"APP_SECRET_{folded(name).upper()}"
        report.problem(f"the secret '{name}' has no value: set {variable}", cause=variable)
        return ""
    return value
