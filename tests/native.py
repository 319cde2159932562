"""Native code beside Python, which it must write as, or decline: random documents of all types, whole and damaged."""

import os
import shutil
from collections.abc import Callable
from random import Random
from struct import pack
from typing import NoReturn

import pytest

from shared.documents import replies, transcoder
from shared.documents.replies import Format
from shared.documents.transcoder import Reader, Writer
from tests.bson_types import OID, decimal, document, element, text
from tests.depth import is_full

FORMS: tuple[Format, ...] = ("JSON", "EJSON")
_COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++")
_ALPHABET = 'abc_01. "\\/\b\t\n\f\r\0\x01\x1f\x7f\x80éßЖ☆€\u2028\ud7ff\ue000\ufffd\ufeff𝄞\U0010ffff'


def built() -> Writer:
    """Return the writer. Nothing but native code that is not installed is skipped, and in a full run not even that."""
    found = transcoder.load("auto")
    return _refuse(found.state) if found.writer is None else found.writer


def built_reader() -> type[Reader]:
    """Return the class of readers, or skip in the same cases."""
    found = transcoder.load("auto")
    return _refuse(found.state) if found.reader is None else found.reader


def _refuse(state: str) -> NoReturn:
    if state == "missing" and not (is_full() and any(map(shutil.which, _COMPILERS))):
        pytest.skip("native code is not installed: make native")
    pytest.fail(f"native code is {state}: make native")


def agree(writer: Writer, batch: bytes, *, is_usual: bool = False) -> None:
    """Fail if native code writes documents otherwise than Python does, or declines usual ones."""
    for form in FORMS:
        made = writer.batch(batch, form)
        assert made is not None or not is_usual, batch
        assert made is None or made == replies.batch_of_documents(batch, form, None), batch
        one = writer.document(batch, form)
        assert one == (made[0] if made is not None and made[1] == 1 else None), batch


class Documents:
    """Random documents, made as bytes, so that they hold what the driver cannot send."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def batch(self) -> bytes:
        """Return some documents that native code has to write."""
        return b"".join(self.document(4) for _ in range(self.random.randrange(1, 4)))

    def document(self, levels: int) -> bytes:
        names = {self.text(6).replace("\0", "") for _ in range(self.random.choice([0, 1, 2, 3, 5, 30]))}
        return document(*(self.element(name, levels) for name in sorted(names, key=lambda _: self.random.random())))

    def element(self, name: str, levels: int) -> bytes:
        kind = self.random.choice([*_PAYLOADS, *([0x03, 0x04, 0x0F] if levels else [])])
        return element(kind, self.nested(kind, levels - 1) if kind not in _PAYLOADS else _PAYLOADS[kind](self), name)

    def nested(self, kind: int, levels: int) -> bytes:
        if kind == 0x04:
            return document(*(self.element(str(place), levels) for place in range(self.random.randrange(4))))
        inner = self.document(levels)
        if kind == 0x03:
            return inner
        code = text(self.text(9))
        return pack("<i", 4 + len(code) + len(inner)) + code + inner

    def text(self, most: int) -> str:
        size = self.random.choice([self.random.randrange(most), self.random.randrange(most), 9, 100])
        return "".join(self.random.choices(self.random.choice([_ALPHABET, "abcdef"]), k=size))

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, of any number of digits, and often one of both ends."""
        near = self.random.randrange(-(10 ** self.random.randrange(1, 19)), 10 ** self.random.randrange(1, 19))
        return self.random.choice([low, high, min(max(near, low), high)])

    def double(self) -> bytes:
        random = self.random
        makers: list[Callable[[], bytes]] = [
            lambda: random.randbytes(8),
            lambda: pack("<d", round(random.uniform(-1e4, 1e4), random.randrange(6))),
            lambda: pack("<d", random.uniform(-1, 1) * 10.0 ** random.randrange(-30, 30)),
            lambda: pack("<d", random.randrange(-(10 ** random.randrange(1, 25)), 10 ** random.randrange(1, 25))),
            lambda: pack("<d", random.choice([-1, 1]) * 2.0 ** random.randrange(-1074, 1024)),
            lambda: pack("<d", random.choice([0.0, -0.0, float("nan"), float("inf"), -float("inf")])),
        ]  # fmt: skip
        return random.choice(makers)()

    def date(self) -> bytes:
        """Return a date that Python's datetime can hold."""
        return pack("<q", self.integer(-62_135_596_800_000, 253_402_300_799_999))

    def decimal(self) -> bytes:
        digits = self.random.randrange(10 ** self.random.randrange(1, 35))
        exponent = self.random.choice([0, -2, self.random.randrange(-45, 12), self.random.randrange(-6176, 6112)])
        return decimal(digits, exponent, negative=self.random.random() < 0.5)

    def binary(self) -> bytes:
        data, subtype = self.random.randbytes(self.random.choice([0, 1, 2, 3, 40, 700])), self.random.randrange(256)
        if subtype == 2:
            data = pack("<i", len(data)) + data
        return pack("<iB", len(data), subtype) + data

    def regex(self) -> bytes:
        return self.text(9).replace("\0", "").encode() + b"\0" + bytes(self.random.sample(b"ilmsuxgz", 3)) + b"\0"

    def damaged(self, batch: bytes) -> bytes:
        """Return documents with some bytes changed, lost, moved or put in between, or with another length."""
        for _ in range(self.random.choice([1, 1, 2, 5])):
            start = self.random.randrange(len(batch) + 1)
            end = start + self.random.choice([0, 1, 1, 2, 4, 4, 8])
            batch = batch[:start] + self.instead(batch, end - start) + batch[end:]
        return batch

    def ending_early(self) -> bytes:
        """Return a document that ends, with all its lengths right, before its last element does."""
        whole = self.element(self.random.choice(["", "v"]), 1)
        cut = document(whole[: self.random.randrange(len(whole) + 1)])
        return self.random.choice([cut, document(element(0x03, cut))])

    def instead(self, batch: bytes, size: int) -> bytes:
        random = self.random
        makers: list[Callable[[], bytes]] = [
            lambda: random.randbytes(size),
            lambda: bytes(size),
            lambda: pack("<i", random.choice([0, -1, 1, 4, 5, 2**31 - 1, random.randrange(300)])),
            lambda: bytes([random.choice([*_PAYLOADS, 3, 4, 15])]),
            lambda: batch[(place := random.randrange(len(batch) + 1)) : place + size],
            lambda: b"",
        ]  # fmt: skip
        return random.choice(makers)()


_PAYLOADS: dict[int, Callable[[Documents], bytes]] = {
    0x01: Documents.double,
    0x02: lambda made: text(made.text(30)),
    0x05: Documents.binary,
    0x06: lambda _: b"",
    0x07: lambda made: made.random.choice([bytes.fromhex(OID), made.random.randbytes(12)]),
    0x08: lambda made: made.random.choice([b"\0", b"\1"]),
    0x09: Documents.date,
    0x0A: lambda _: b"",
    0x0B: Documents.regex,
    0x0C: lambda made: text(made.text(9)) + made.random.randbytes(12),
    0x0D: lambda made: text(made.text(9)),
    0x0E: lambda made: text(made.text(9)),
    0x10: lambda made: pack("<i", made.integer(-(2**31), 2**31 - 1)),
    0x11: lambda made: pack("<II", made.integer(0, 2**32 - 1), made.integer(0, 2**32 - 1)),
    0x12: lambda made: pack("<q", made.integer(-(2**63), 2**63 - 1)),
    0x13: Documents.decimal,
    0x7F: lambda _: b"",
    0xFF: lambda _: b"",
}
