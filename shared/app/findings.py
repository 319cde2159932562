"""What is found in an app's files, and the error of an app that cannot be used."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.rules.report import Finding, Level


class FileFinding(NamedTuple):
    """A finding, and the file of the app that it is in."""

    file: str
    level: Level
    path: str
    sentence: str

    @classmethod
    def of(cls, file: str, finding: Finding) -> "FileFinding":
        """Name the file of a finding."""
        return cls(file, finding.level, finding.path, finding.sentence)


class AppError(Exception):
    """The app has mistakes, so nothing is served with half of its rules; `findings` are all of them."""

    def __init__(self, findings: Sequence[FileFinding]) -> None:
        """Take everything that was found; at least one is a problem."""
        self.findings = tuple(findings)
        problems = [finding for finding in findings if finding.level == "problem"]
        first = problems[0]
        place = f"{first.file} at {first.path}" if first.path else first.file
        others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{place}: {first.sentence}{others}; run `python -m admin app check`")
