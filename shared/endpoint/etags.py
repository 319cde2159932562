"""Entity tags, as RFC 9110 has them: what a client has is not sent again, and what it has not seen is not changed."""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256

from shared.access.tags import Expected
from shared.errors import InvalidParameterError

CACHED: dict[str, str] = {
    "Cache-Control": "private, no-cache",
    "Vary": "Origin, Accept, Authorization, apiKey, api-key, x-functions-key, email, password, jwtTokenString",
}
"""The headers of a reply that may be cached: a client that has it asks again before it uses it, as the same caller."""

_ANY = "*"
_ELEMENT = re.compile(
    r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|\Z)'
)  # of a list, in which one may miss


def tag(media: str, parts: Iterable[bytes]) -> str:
    """Return the strong tag of a reply: it changes with each byte of it, and with its type."""
    digested = sha256(f"{media} ".encode())
    for part in parts:
        digested.update(part)
    return f'"{digested.hexdigest()[:40]}"'


def matches(if_none_match: str, own: str) -> bool:
    """Tell whether a tag is among those of If-None-Match, which may be weak: proxies make them so."""
    if not if_none_match or if_none_match.strip() == _ANY:
        return bool(if_none_match)
    return own.removeprefix("W/") in {f'"{each}"' for _, each in _tags(if_none_match)}


def expected(if_match: str) -> Expected:
    """Return what If-Match expects; raise InvalidParameterError for what is no list of tags.

    The form in which a document was read makes no difference, nor does what a proxy has put behind its tag.
    """
    if if_match.strip() == _ANY:
        return Expected(None)
    tags = list(_tags(if_match))
    if not tags:
        raise InvalidParameterError('If-Match must be * or a list of tags such as "a", "b"')
    return Expected(frozenset(each.partition("-")[0] for is_weak, each in tags if not is_weak))


def _tags(text: str) -> Iterator[tuple[bool, str]]:
    """Give the tags of a list, each with whether it is weak; none of one that is malformed."""
    found, place = [], 0
    while place < len(text):
        element = _ELEMENT.match(text, place)
        if element is None:
            return
        if element[2] is not None:
            found.append((element[1] is not None, element[2]))
        place = element.end()
    yield from found
