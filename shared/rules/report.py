"""What compiling an app's files finds: mistakes, warnings, and what Dozen cannot do."""

from typing import Literal, NamedTuple

type Level = Literal["problem", "warning", "unsupported"]


class Finding(NamedTuple):
    """One finding: where it is, and a sentence that says what is wrong and what to do."""

    level: Level
    path: str
    sentence: str


class Report:
    """Collects findings; a report of a nested place adds to the same list."""

    def __init__(self, findings: list[Finding] | None = None, path: str = "") -> None:
        """Start with no finding at the root of a file."""
        self.findings: list[Finding] = [] if findings is None else findings
        self.path = path

    def at(self, *steps: str | int) -> "Report":
        """Return the report of a nested place."""
        path = self.path
        for step in steps:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        return Report(self.findings, path)

    def problem(self, sentence: str) -> None:
        """Add what keeps the app from being loaded."""
        self.findings.append(Finding("problem", self.path, sentence))

    def warning(self, sentence: str) -> None:
        """Add what is allowed, but seldom meant."""
        self.findings.append(Finding("warning", self.path, sentence))

    def unsupported(self, sentence: str) -> None:
        """Add what Dozen cannot do: it denies instead."""
        self.findings.append(Finding("unsupported", self.path, sentence))
