"""What several commands do with the JSON in their options."""

from collections.abc import Callable

from admin.process import WRONG_USAGE, fail
from shared.errors import InvalidJSONError


def parsed[T](read: Callable[[bytes], T], option: str, text: str) -> T:
    """Return what an option holds; exit 2 if it is not JSON, or not what `read` takes."""
    try:
        return read(text.encode(errors="surrogateescape"))
    except InvalidJSONError as error:
        raise fail(f"{option}: {error}", WRONG_USAGE) from None
