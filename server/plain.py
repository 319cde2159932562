"""Which bytes are one request that every reader reads alike."""

import re

_WHOLE = re.compile(rb"POST /[!-~]{1,2000} HTTP/1\.1\r\n((?:[!-9;-~]+:[\t -~]*\r\n)+)\r\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,8})[ \t]*\r\n")
_NOT_PLAIN = re.compile(rb"\n(?:transfer-encoding|upgrade|expect|origin):|\nconnection:(?!\s*keep-alive\r)")


def is_plain(data: bytes) -> bool:
    """Tell whether these bytes are one whole POST, of which nobody could think that it ends elsewhere."""
    head = _WHOLE.match(data)
    if head is None:
        return False
    fields = b"\n" + head[1].lower()
    if fields.count(b"content-length") != 1 or _NOT_PLAIN.search(fields):
        return False
    length = _LENGTH.search(fields)
    return length is not None and head.end() + int(length[1]) == len(data)
