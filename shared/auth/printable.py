"""Which texts may name somebody: those that show what they are wherever they are printed (pure)."""

_WITHOUT_JOINERS = str.maketrans("", "", "\u200c\u200d")  # Persian and emoji need them, and they hide nothing


def is_printable(text: str) -> bool:
    """Tell whether a text has no control characters, no marks that turn the direction, and no lone surrogates."""
    return text.translate(_WITHOUT_JOINERS).isprintable()


def printable(text: str) -> str:
    """Return a text with what is not printable as escapes, such as \\u202e."""
    return "".join(each if is_printable(each) else each.encode("unicode_escape").decode() for each in text)
