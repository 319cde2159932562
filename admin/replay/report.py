"""What a replay found: numbers for each action, and the differences of the first calls that differ (pure)."""

from collections import Counter
from typing import Any

from admin.replay.differences import Difference
from admin.replay.recording import Recorded

MOST_SHOWN = 200
"""Differences that are told; all calls are counted."""
_MOST_OF_A_CALL = 10


class Report:
    """Counts calls, in memory that does not grow with their number."""

    def __init__(self) -> None:
        """Begin without calls."""
        self.same: Counter[str] = Counter()
        self.differ: Counter[str] = Counter()
        self.not_sent: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.volatile: Counter[str] = Counter()
        self.shown: list[tuple[int, str, Difference]] = []

    @property
    def actions(self) -> list[str]:
        """The actions that were recorded."""
        return sorted({*self.same, *self.differ, *self.not_sent})

    def leave_out(self, action: str, reason: str) -> None:
        """Count a call that is not sent, or an entry that is none."""
        self.not_sent[action if action in self.not_sent or len(self.not_sent) < MOST_SHOWN else "other names"] += 1
        self.reasons[reason if reason in self.reasons or len(self.reasons) < MOST_SHOWN else "other reasons"] += 1

    def add(self, recorded: Recorded, found: list[Difference]) -> None:
        """Count a call with its differences."""
        lasting = [each for each in found if not each.is_volatile]
        for name in (each.path.rpartition(".")[2] for each in found if each.is_volatile):
            self.volatile[name if name in self.volatile or len(self.volatile) < MOST_SHOWN else "other members"] += 1
        if not lasting:
            self.same[recorded.action] += 1
            return
        self.differ[recorded.action] += 1
        room = max(MOST_SHOWN - len(self.shown), 0)
        self.shown += [(recorded.number, recorded.action, each) for each in lasting[: min(room, _MOST_OF_A_CALL)]]

    def described(self) -> dict[str, Any]:
        """Return all of it, for scripts."""
        return {
            "same": self.same.total(),
            "differ": self.differ.total(),
            "not_sent": self.not_sent.total(),
            "actions": {
                name: {"same": self.same[name], "differ": self.differ[name], "not_sent": self.not_sent[name]}
                for name in self.actions
            },
            "reasons": dict(self.reasons.most_common()),
            "volatile": dict(self.volatile.most_common(MOST_SHOWN)),
            "differences": [
                {"call": number, "action": action, "path": each.path, "kind": each.kind, "sentence": each.sentence}
                for number, action, each in self.shown
            ],
        }
