"""Bodies that a client has compressed, decoded within the limits of bodies and of the event loop."""

import asyncio
import zlib
from collections.abc import Iterator

from shared.budget import Share
from shared.errors import BodyTooLargeError, MalformedEncodingError, UnsupportedEncodingError

SUPPORTED = ("gzip", "deflate")
_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}  # RFC 9110, section 8.4.1
_MOST_ENCODINGS = 5
_MOST_MEMBERS = 1_000  # of gzip: some compressors write a member for each block of their input
_READ_BYTES = 32 * 1024
_SLICE_BYTES = 256 * 1024  # what is decoded between two turns of the event loop, in about a millisecond
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


async def decoded(body: bytes, content_encoding: str, limit: int, share: Share) -> bytes:
    """Return a body without its encodings, having held each part of what comes out.

    Raise if an encoding is not supported, its data are broken or it is too large.
    """
    if not body:
        return body
    names = [name for part in content_encoding.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if not set(names) <= _NAMES.keys():
        raise UnsupportedEncodingError(SUPPORTED)
    if len(names) > _MOST_ENCODINGS:
        raise BodyTooLargeError(f"request body too large: it is encoded more than {_MOST_ENCODINGS} times")
    for name in reversed(names):
        parts: list[bytes] = []
        size = 0
        try:
            for part in _slices(body, _NAMES[name]):
                size += len(part)
                if size > limit:
                    raise BodyTooLargeError(f"request body too large: the limit is {limit} bytes, decoded")
                await share.hold(len(part))
                parts.append(part)
                await asyncio.sleep(0)
        except zlib.error:
            raise MalformedEncodingError(f"request body is not {name}, as its Content-Encoding says") from None
        body = b"".join(parts)
    return body


def _slices(body: bytes, name: str) -> Iterator[bytes]:
    """Give the decoded body in slices, an empty one where much was read for nothing; raise zlib.error if it is broken.

    A gzip body may have several members, one behind the other.
    """
    decompressor, members = _decompressor(body, name), 1
    for start in range(0, len(body), _READ_BYTES):
        data = body[start : start + _READ_BYTES]
        while data:
            if decompressor.eof:
                if name != "gzip":
                    raise zlib.error("data behind the end")
                if members == _MOST_MEMBERS:
                    raise BodyTooLargeError(f"request body too large: it has more than {_MOST_MEMBERS} gzip members")
                decompressor, members = _decompressor(body, name), members + 1
            yield decompressor.decompress(data, _SLICE_BYTES)
            data = decompressor.unused_data if decompressor.eof else decompressor.unconsumed_tail
    while not decompressor.eof:
        rest = decompressor.decompress(b"", _SLICE_BYTES)
        if not rest:
            raise zlib.error("the end is missing")
        yield rest


def _decompressor(body: bytes, name: str) -> "zlib._Decompress":
    if name == "gzip":
        return zlib.decompressobj(_GZIP)
    has_header = len(body) > 1 and body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0
    return zlib.decompressobj(_ZLIB if has_header else _RAW)  # some clients leave zlib's header out
