"""The address that a request comes from (pure)."""

import re
from collections.abc import Mapping

_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\d+)?|(?P<v4>[^:]*):\d+")
_LONGEST = 64


def client_address(headers: Mapping[str, str], trusted_proxies: int) -> str:
    """Return the address behind so many proxies of one's own, "" if it is not known.

    Every proxy, and the host of the functions too, adds at the end of X-Forwarded-For who called it: what stands
    before these entries is the caller's own word, which proves nothing.
    """
    chain = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    if not chain:
        return ""
    entry = chain[max(0, len(chain) - 1 - trusted_proxies)]
    match = _WITH_PORT.fullmatch(entry)
    return (entry if match is None else match["v6"] or match["v4"] or "")[:_LONGEST]
