"""JSON without characters that a person would not see, but a model or a terminal would obey (pure)."""

import re

_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Controls, directions, what has no width, tags, variants: in JSON they can only stand in texts."""


def visible(text: bytes) -> bytes:
    """Return the same JSON with such characters escaped, which makes no other value of it."""
    if text.isascii() and b"\x7f" not in text:
        return text
    return _UNSEEN.sub(_escaped, text.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
