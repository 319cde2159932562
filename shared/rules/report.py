"""What compiling an app's files finds: mistakes, warnings, and what Dozen cannot do."""

from typing import Literal, NamedTuple

type Level = Literal["problem", "warning", "unsupported"]
type _Steps = tuple[str | int, ...]

NOT_SERVED = "every call is refused with 503 until this is corrected"


class Finding(NamedTuple):
    """One finding: where it is, what is wrong and what to do, and what it means for the app's users."""

    level: Level
    path: str
    sentence: str
    effect: str
    cause: str = ""
    """What is missing elsewhere, if it is not this place that is wrong: however many places ask, it is one mistake."""


class Report:
    """Collects findings; a report of a nested place adds to the same list.

    Of one mistake there is one finding: what is found at, inside or around a place that has a problem follows from it.
    """

    def __init__(self, whole: "Report | None" = None, steps: _Steps = ()) -> None:
        """Start with no finding at the root of a file; nested places are made by `at`."""
        self.findings: list[Finding] = whole.findings if whole else []
        self._wrong: set[_Steps] = whole._wrong if whole else set()
        self._around_wrong: set[_Steps] = whole._around_wrong if whole else set()
        self._steps = steps

    @property
    def path(self) -> str:
        """The place, as in `roles[0].apply_when`."""
        path = ""
        for step in self._steps:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        return path

    @property
    def parent(self) -> "Report":
        """The report of the place around this one."""
        return Report(self, self._steps[:-1])

    def at(self, *steps: str | int) -> "Report":
        """Return the report of a nested place."""
        return Report(self, (*self._steps, *steps))

    def problem(self, sentence: str, *, cause: str = "") -> None:
        """Add what keeps the app from being loaded."""
        if self._add("problem", sentence, NOT_SERVED, cause):
            self._wrong.add(self._steps)
            self._around_wrong.update(self._steps[:length] for length in range(len(self._steps)))

    def warning(self, sentence: str, effect: str) -> None:
        """Add what is allowed, but seldom meant."""
        self._add("warning", sentence, effect)

    def unsupported(self, sentence: str, effect: str) -> None:
        """Add what Dozen cannot do: it denies instead."""
        self._add("unsupported", sentence, effect)

    def _add(self, level: Level, sentence: str, effect: str, cause: str = "") -> bool:
        if self.is_wrong:
            return False
        self.findings.append(Finding(level, self.path, sentence, effect, cause))
        return True

    @property
    def is_wrong(self) -> bool:
        """Whether there is a problem at, inside or around this place."""
        around = (self._steps[:length] for length in range(len(self._steps) + 1))
        return self._steps in self._around_wrong or not self._wrong.isdisjoint(around)
