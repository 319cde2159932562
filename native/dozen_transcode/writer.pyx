# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""BSON -> the text of a reply, byte for byte as shared.documents.replies writes it, or None.

None leaves the answer to Python. It is given for what is wrong or rare: bytes that are no BSON or no UTF-8, a name
twice in a document, documents that are very deep or very wide, dates as JSON that Python's datetime cannot hold,
decimals that are no numbers or have too many digits. Each function that returns a bint tells whether it did its work.

What is read is checked against its end before. What is written has room: `room` makes it and leaves SPARE bytes more,
which is enough for all that one element has beside its texts and its binary data, each of which does the same.
"""

import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport fabs, isfinite, isnan, signbit
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport atoi, free, realloc
from libc.string cimport memchr, memcmp, memcpy, memset, strchr, strlen

cdef extern from *:
    """
    #include <charconv>
    #include <cstring>
    template <typename T> inline T read(const void* at) { T value; std::memcpy(&value, at, sizeof value); return value; }
    inline char* integer_text(char* at, int64_t number) { return std::to_chars(at, at + 20, number).ptr; }
    inline char* double_text(char* at, double number) {
        return std::to_chars(at, at + 32, number, std::chars_format::scientific).ptr;
    }
    inline uint64_t divided(uint64_t high, uint64_t low, uint64_t by, uint64_t* rest) {
        unsigned __int128 number = static_cast<unsigned __int128>(high) << 64 | low;
        *rest = static_cast<uint64_t>(number % by);
        return static_cast<uint64_t>(number / by);
    }
    """
    int32_t int32_at "read<int32_t>"(const void* at) noexcept nogil
    uint32_t uint32_at "read<uint32_t>"(const void* at) noexcept nogil
    int64_t int64_at "read<int64_t>"(const void* at) noexcept nogil
    uint64_t uint64_at "read<uint64_t>"(const void* at) noexcept nogil
    double double_at "read<double>"(const void* at) noexcept nogil
    char* integer_text(char* at, int64_t number) noexcept nogil
    char* double_text(char* at, double number) noexcept nogil
    uint64_t divided(uint64_t high, uint64_t low, uint64_t by, uint64_t* rest) noexcept nogil

VERSION = 1
"""Of the functions that Python calls: shared.documents.transcoder takes no other."""

if sys.byteorder != "little":
    raise ImportError("BSON's numbers are little-endian, and this machine's are not")

cdef enum:
    MOST_LEVELS = 120  # each is at most two of Python's, of which orjson writes 254
    MOST_NAMES = 1024  # of all documents around a place
    SLOTS = 4 * MOST_NAMES
    MOST_STEPS = 32  # from slot to slot
    SPARE = 256
    AT_ONCE = 4096

cdef enum:
    DOUBLE = 0x01, STRING, DOCUMENT, ARRAY, BINARY, UNDEFINED, OBJECT_ID, BOOLEAN, DATE, NOTHING, REGEX, POINTER
    CODE = 0x0D, SYMBOL, CODE_WITH_SCOPE, INT32, TIMESTAMP, INT64, DECIMAL
    MAX_KEY = 0x7F
    MIN_KEY = 0xFF

cdef const char* SIZES = b"\0\x08\0\0\0\0\0\x0c\x01\x08\0\0\0\0\0\0\x04\x08\x08\x10"  # of values, where all have one
cdef const char* HEX = b"0123456789abcdef"
cdef const char* BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
cdef const char* ESCAPES = b"uuuuuuuubtnufruuuuuuuuuuuuuuuuuu"  # of control characters
cdef const char* REGEX_OPTIONS = b"ilmsux"
cdef uint64_t ONES = 0x0101010101010101
cdef uint64_t TEN_17 = 100_000_000_000_000_000
cdef int64_t DAY = 86_400_000, YEAR_1 = -62_135_596_800_000, YEAR_10000 = 253_402_300_800_000
cdef double EXACT_DOUBLE = 9_007_199_254_740_992.0

cdef struct Output:
    char* start
    char* at
    char* end

cdef struct Frame:  # a document or an array that is open
    const uint8_t* end  # its last byte
    const char* closing
    int names  # how many there are around it
    bint is_array
    bint has_members

cdef struct Name:
    const uint8_t* at
    uint32_t size
    uint32_t slot

cdef struct Input:
    const uint8_t* at
    const uint8_t* end  # of the innermost frame
    int depth
    int names_size
    Frame[MOST_LEVELS] frames
    Name[MOST_NAMES] names  # of the frames
    uint16_t[SLOTS] slots  # a hash table: which name is there, from 1 on


def batch(bytes documents not None, str form not None):
    """Return concatenated documents as texts with commas between and their number, or None."""
    return written(documents, form == "EJSON")


def document(bytes content not None, str form not None):
    """Return a document as text, or None."""
    found = written(content, form == "EJSON")
    return found[0] if found is not None and found[1] == 1 else None


cdef object written(bytes documents, bint canonical):
    cdef Input source
    cdef Output out
    cdef Py_ssize_t number = 0, size = PyBytes_GET_SIZE(documents)
    source.at = <const uint8_t*>PyBytes_AS_STRING(documents)
    cdef const uint8_t* end = source.at + size
    memset(&out, 0, sizeof(Output))
    memset(source.slots, 0, sizeof(source.slots))
    try:
        while source.at < end:
            if not room(&out, 0 if number else 2 * size):
                return None
            if number:
                put(&out, b",")
            source.end = end
            source.depth = source.names_size = 0
            if not (opened(&out, &source, DOCUMENT) and elements(&out, &source, canonical)):
                return None
            number += 1
        return PyBytes_FromStringAndSize(out.start, out.at - out.start), number
    finally:
        free(out.start)


cdef bint elements(Output* out, Input* source, bint canonical) noexcept nogil:
    """Write what is in the outermost frame, and close it."""
    cdef Frame* frame
    cdef const uint8_t* name
    cdef const uint8_t* name_end
    cdef int kind
    while source.depth:
        frame = &source.frames[source.depth - 1]
        if not room(out, 0):
            return False
        if source.at == frame.end:
            closed(out, source)
            continue
        kind = source.at[0]
        name = source.at + 1
        name_end = <const uint8_t*>memchr(name, 0, frame.end - name)
        if name_end == NULL:
            return False
        source.at = name_end + 1
        if frame.has_members:
            put(out, b",")
        frame.has_members = True
        if not frame.is_array:
            if not is_new(source, name, name_end - name) or not quoted(out, name, name_end - name):
                return False
            put(out, b":")
        if not value(out, source, kind, canonical):
            return False
    return True


cdef bint opened(Output* out, Input* source, int kind) noexcept nogil:
    """Begin a document or an array."""
    cdef Frame* frame = &source.frames[source.depth]
    cdef int64_t left = source.end - source.at, size = int32_at(source.at) if left >= 5 else 0
    if size < 5 or size > left or source.at[size - 1] or source.depth == MOST_LEVELS:
        return False
    frame.end = source.end = source.at + size - 1
    frame.names = source.names_size
    frame.is_array = kind == ARRAY
    frame.closing = b"]" if frame.is_array else b"}"
    frame.has_members = False
    put(out, b"[" if frame.is_array else b"{")
    source.at += 4
    source.depth += 1
    return True


cdef void closed(Output* out, Input* source) noexcept nogil:
    """End the innermost frame."""
    source.depth -= 1
    source.at += 1
    put(out, source.frames[source.depth].closing)
    while source.names_size > source.frames[source.depth].names:  # the last first: no step from slot to slot is lost
        source.names_size -= 1
        source.slots[source.names[source.names_size].slot] = 0
    if source.depth:
        source.end = source.frames[source.depth - 1].end


cdef bint is_new(Input* source, const uint8_t* at, size_t size) noexcept nogil:
    """Tell whether a document had no such name before, and note it; false as well where that is much to find out."""
    cdef int own = source.frames[source.depth - 1].names, steps
    cdef uint32_t slot = hashed(at, size, source.depth)
    cdef Name* other
    if source.names_size == MOST_NAMES:
        return False
    for steps in range(MOST_STEPS):
        slot = (slot + 1) % SLOTS
        if not source.slots[slot]:
            source.names[source.names_size].at, source.names[source.names_size].size = at, size
            source.names[source.names_size].slot = slot
            source.names_size += 1
            source.slots[slot] = source.names_size
            return True
        other = &source.names[source.slots[slot] - 1]
        if source.slots[slot] > own and other.size == size and memcmp(other.at, at, size) == 0:
            return False
    return False


cdef inline uint32_t hashed(const uint8_t* at, size_t size, int depth) noexcept nogil:
    """Return 12 bits for a name of a document at a depth."""
    cdef uint64_t found = size + depth, word
    while size:
        word = 0
        memcpy(&word, at, min(size, <size_t>8))
        found = (found ^ word ^ found >> 32) * <uint64_t>0x9E3779B97F4A7C15
        at += min(size, <size_t>8)
        size -= min(size, <size_t>8)
    return found >> 52


cdef bint value(Output* out, Input* source, int kind, bint canonical) noexcept nogil:
    if kind == STRING or kind == SYMBOL:
        return text(out, source)
    if kind == DOCUMENT or kind == ARRAY:
        return opened(out, source, kind)
    if kind == BINARY:
        return binary(out, source, canonical)
    if kind == REGEX:
        return regex(out, source, canonical)
    if kind == CODE:
        either(out, canonical, b'{"$code":', b"")
        if not text(out, source):
            return False
        either(out, canonical, b"}", b"")
        return True
    if kind == CODE_WITH_SCOPE:
        return code_with_scope(out, source, canonical)
    if kind == POINTER:
        return pointer(out, source, canonical)
    return fixed(out, source, kind, canonical)


cdef bint fixed(Output* out, Input* source, int kind, bint canonical) noexcept nogil:
    """Write a value of a type whose values all have one size."""
    cdef const uint8_t* at = source.at
    cdef int size = SIZES[kind] if kind <= DECIMAL else 0
    if source.end - at < size:
        return False
    source.at += size
    if kind == DOUBLE:
        number(out, double_at(at), canonical)
    elif kind == INT32:
        integer(out, int32_at(at), canonical, b'{"$numberInt":"')
    elif kind == INT64:
        integer(out, int64_at(at), canonical, b'{"$numberLong":"')
    elif kind == OBJECT_ID:
        either(out, canonical, b'{"$oid":"', b'"')
        hexadecimal(out, at, 12)
        either(out, canonical, b'"}', b'"')
    elif kind == DATE:
        return date(out, int64_at(at), canonical)
    elif kind == BOOLEAN:
        put(out, b"true" if at[0] else b"false")
        return at[0] <= 1
    elif kind == TIMESTAMP:
        either(out, canonical, b'{"$timestamp":{"t":', b'{"T":')
        out.at = integer_text(out.at, uint32_at(at + 4))
        either(out, canonical, b',"i":', b',"I":')
        out.at = integer_text(out.at, uint32_at(at))
        either(out, canonical, b"}}", b"}")
    elif kind == DECIMAL:
        return decimal(out, uint64_at(at), uint64_at(at + 8), canonical)
    elif kind == MIN_KEY or kind == MAX_KEY:
        either(out, canonical, b'{"$minKey":1}' if kind == MIN_KEY else b'{"$maxKey":1}', b"{}")
    else:
        put(out, b"null")
        return kind == NOTHING or kind == UNDEFINED
    return True


cdef bint text(Output* out, Input* source) noexcept nogil:
    """Write a text that stands behind its length and before a zero byte."""
    cdef const uint8_t* at = source.at + 4
    cdef int64_t left = source.end - at, size = int32_at(source.at) if left > 0 else 0
    if size < 1 or size > left or at[size - 1]:
        return False
    source.at = at + size
    return quoted(out, at, size - 1)


cdef bint binary(Output* out, Input* source, bint canonical) noexcept nogil:
    cdef const uint8_t* at = source.at + 5
    cdef int64_t left = source.end - at, size = int32_at(source.at) if left >= 0 else -1
    if size < 0 or size > left:
        return False
    cdef uint8_t subtype = source.at[4]
    source.at = at + size
    if subtype == 2:  # repeats the length
        if size < 4 or int32_at(at) != size - 4:
            return False
        at += 4
        size -= 4
    either(out, canonical, b'{"$binary":{"base64":"', b'{"Subtype":')
    if not canonical:
        out.at = integer_text(out.at, subtype)
        put(out, b',"Data":"')
    if not base64(out, at, size):
        return False
    if canonical:
        put(out, b'","subType":"')
        hexadecimal(out, &subtype, 1)
    either(out, canonical, b'"}}', b'"}')
    return True


cdef bint regex(Output* out, Input* source, bint canonical) noexcept nogil:
    cdef const uint8_t* pattern = source.at
    cdef const uint8_t* options = <const uint8_t*>memchr(pattern, 0, source.end - pattern)
    cdef const uint8_t* end = <const uint8_t*>memchr(options + 1, 0, source.end - options - 1) if options else NULL
    cdef int letter
    if not end:
        return False
    source.at = end + 1
    either(out, canonical, b'{"$regularExpression":{"pattern":', b'{"Pattern":')
    if not quoted(out, pattern, options - pattern):
        return False
    either(out, canonical, b',"options":"', b',"Options":"')
    for letter in range(6):
        if memchr(options, REGEX_OPTIONS[letter], end - options):
            put_all(out, REGEX_OPTIONS + letter, 1)
    either(out, canonical, b'"}}', b'"}')
    return True


cdef bint code_with_scope(Output* out, Input* source, bint canonical) noexcept nogil:
    cdef const uint8_t* start = source.at
    cdef int64_t left = source.end - start, size = int32_at(start) if left >= 4 else 0
    if size < 4 or size > left:
        return False
    source.at += 4
    either(out, canonical, b'{"$code":', b'{"Code":')
    if not text(out, source):
        return False
    either(out, canonical, b',"$scope":', b',"Scope":')
    if not opened(out, source, DOCUMENT):
        return False
    source.frames[source.depth - 1].closing = b"}}"
    return source.end + 1 == start + size


cdef bint pointer(Output* out, Input* source, bint canonical) noexcept nogil:
    either(out, canonical, b'{"$dbPointer":{"$ref":', b'{"DB":')
    if not text(out, source) or source.end - source.at < 12:
        return False
    either(out, canonical, b',"$id":{"$oid":"', b',"Pointer":"')
    hexadecimal(out, source.at, 12)
    either(out, canonical, b'"}}}', b'"}')
    source.at += 12
    return True


cdef bint date(Output* out, int64_t milliseconds, bint canonical) noexcept nogil:
    if canonical:
        put(out, b'{"$date":')
        integer(out, milliseconds, True, b'{"$numberLong":"')
        put(out, b"}")
        return True
    if not YEAR_1 <= milliseconds < YEAR_10000:
        return False
    cdef int64_t rest = (milliseconds - YEAR_1) % DAY
    cdef int64_t day = (milliseconds - YEAR_1) / DAY + 306  # since 1 March of the year 0: leap days end their years
    cdef int64_t cycle = day / 146_097  # of 400 years
    day %= 146_097
    cdef int64_t year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
    day -= 365 * year + year / 4 - year / 100
    cdef int64_t month = (5 * day + 2) / 153
    put(out, b'"0000-00-00T00:00:00.000Z"')
    padded(out.at - 25, 400 * cycle + year + (month >= 10), 4)
    padded(out.at - 20, month + 3 if month < 10 else month - 9, 2)
    padded(out.at - 17, day - (153 * month + 2) / 5 + 1, 2)
    padded(out.at - 14, rest / 3_600_000, 2)
    padded(out.at - 11, rest / 60_000 % 60, 2)
    padded(out.at - 8, rest / 1_000 % 60, 2)
    padded(out.at - 5, rest % 1_000, 3)
    return True


cdef bint decimal(Output* out, uint64_t low, uint64_t high, bint canonical) noexcept nogil:
    """Write a Decimal128 as Python writes a Decimal of these digits and this exponent."""
    cdef char[40] digits
    cdef uint64_t lower, upper = divided(high & <uint64_t>0x1FFFFFFFFFFFF, low, TEN_17, &lower)
    cdef int size, exponent = <int>(high >> 49 & 0x3FFF) - 6176
    if high >> 61 & 3 == 3 or upper >= TEN_17:  # no number, or one of more than 34 digits
        return False
    size = integer_text(digits, <int64_t>(upper or lower)) - digits
    if upper:
        padded(digits + size, <int64_t>lower, 17)
        size += 17
    either(out, canonical, b'{"$numberDecimal":"', b'"')
    if high >> 63:
        put(out, b"-")
    if exponent <= 0 and size + exponent > -6:
        pointed(out, digits, size, size + exponent)
    else:
        pointed(out, digits, size, 1)
        if size + exponent != 1:
            scaled(out, size + exponent - 1, b"E+", 1)
    either(out, canonical, b'"}', b'"')
    return True


cdef void number(Output* out, double number, bint canonical) noexcept nogil:
    """Write a double as repr does for Extended JSON; for JSON as orjson does, whole ones as Go and JavaScript do."""
    cdef char[40] buffer
    cdef char* digits = buffer
    cdef char* letter
    cdef int exponent, least = -4 if canonical else -5, most = 15 if canonical else 20
    either(out, canonical, b'{"$numberDouble":"', b"")
    if isnan(number):
        either(out, canonical, b"NaN", b"null")
    elif not isfinite(number):
        either(out, canonical, b"Infinity" if number > 0 else b"-Infinity", b"null")
    else:
        if signbit(number):
            put(out, b"-")
        double_text(buffer, fabs(number))[0] = 0
        letter = strchr(buffer, c"e")
        exponent = atoi(letter + 1)
        if digits[1] == c".":
            digits += 1
            digits[0] = buffer[0]
        if least <= exponent <= most:
            pointed(out, digits, letter - digits, exponent + 1)
            if canonical and letter - digits <= exponent + 1:
                put(out, b".0")
        else:
            pointed(out, digits, letter - digits, 1)
            scaled(out, exponent, b"e+", 2 if canonical else 1)
    either(out, canonical, b'"}', b"")


cdef void pointed(Output* out, const char* digits, int size, int point) noexcept nogil:
    """Write digits with a point behind so many of them, and the zeros that it takes."""
    cdef int before = min(max(point, 0), size), zeros = max(point - size, -point)
    if point <= 0:
        put(out, b"0.")
    put_all(out, digits, before)
    if zeros > 0:
        memset(out.at, c"0", zeros)
        out.at += zeros
    if 0 < point < size:
        put(out, b".")
    put_all(out, digits + before, size - before)


cdef void scaled(Output* out, int exponent, const char* sign, int width) noexcept nogil:
    put_all(out, sign, 1 if exponent < 0 else 2)
    if exponent < 0:
        put(out, b"-")
    if width == 2 and -10 < exponent < 10:
        put(out, b"0")
    out.at = integer_text(out.at, -exponent if exponent < 0 else exponent)


cdef inline void integer(Output* out, int64_t number, bint canonical, const char* wrapper) noexcept nogil:
    either(out, canonical, wrapper, b"")
    out.at = integer_text(out.at, number)
    either(out, canonical, b'"}', b"")


cdef void padded(char* at, int64_t number, int width) noexcept nogil:
    while width:
        width -= 1
        at[width] = c"0" + <char>(number % 10)
        number /= 10


cdef void hexadecimal(Output* out, const uint8_t* at, int size) noexcept nogil:
    cdef int place
    for place in range(size):
        out.at[0] = HEX[at[place] >> 4]
        out.at[1] = HEX[at[place] & 15]
        out.at += 2


cdef bint base64(Output* out, const uint8_t* at, size_t size) noexcept nogil:
    cdef const uint8_t* end = at + size
    cdef uint32_t three
    if not room(out, size / 3 * 4 + 4):
        return False
    while at < end:
        three = at[0] << 16 | (at[1] << 8 if end - at > 1 else 0) | (at[2] if end - at > 2 else 0)
        out.at[0] = BASE64[three >> 18]
        out.at[1] = BASE64[three >> 12 & 63]
        out.at[2] = BASE64[three >> 6 & 63] if end - at > 1 else c"="
        out.at[3] = BASE64[three & 63] if end - at > 2 else c"="
        out.at += 4
        at += min(end - at, 3)
    return True


cdef bint quoted(Output* out, const uint8_t* at, size_t size) noexcept nogil:
    """Write UTF-8 as a text of JSON, with the escapes that it needs."""
    cdef const uint8_t* end = at + size
    cdef const uint8_t* stop
    cdef int length
    put(out, b'"')
    while at < end:
        stop = at + min(end - at, AT_ONCE)
        if not room(out, 6 * (stop - at)):
            return False
        while at < stop:
            if stop - at >= 8 and is_plain(uint64_at(at)):
                length = 8
            elif at[0] < 0x80:
                escaped(out, at[0])
                at += 1
                continue
            else:
                length = sequence(at, end - at)
            if length == 0:
                return False
            put_all(out, <const char*>at, length)
            at += length
    put(out, b'"')
    return True


cdef inline bint is_plain(uint64_t word) noexcept nogil:
    """Tell whether each of 8 bytes is of ASCII, and no control character, quote or backslash."""
    cdef uint64_t quotes = word ^ ONES * c'"', backslashes = word ^ ONES * c"\\"
    cdef uint64_t found = (word - ONES * 0x20) & ~word
    found |= (quotes - ONES) & ~quotes | (backslashes - ONES) & ~backslashes | word
    return found & ONES << 7 == 0


cdef inline void escaped(Output* out, uint8_t character) noexcept nogil:
    cdef char letter = character if character >= 0x20 else ESCAPES[character]
    if character < 0x20 or character == c'"' or character == c"\\":
        put(out, b"\\")
    put_all(out, &letter, 1)
    if letter == c"u" and character != c"u":
        put(out, b"00")
        hexadecimal(out, &character, 1)


cdef int sequence(const uint8_t* at, int64_t left) noexcept nogil:
    """Return how many bytes a character beyond ASCII has, 0 if there is none: Unicode's table 3-7."""
    cdef uint8_t first = at[0]
    cdef int place, length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    cdef uint8_t lowest = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
    cdef uint8_t highest = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
    if first < 0xC2 or first > 0xF4 or left < length or not lowest <= at[1] <= highest:
        return 0
    for place in range(2, length):
        if at[place] & 0xC0 != 0x80:
            return 0
    return length


cdef inline void either(Output* out, bint canonical, const char* extended, const char* plain) noexcept nogil:
    if canonical:
        put(out, extended)
    else:
        put(out, plain)


cdef inline void put(Output* out, const char* literal) noexcept nogil:
    put_all(out, literal, strlen(literal))


cdef inline void put_all(Output* out, const char* characters, size_t size) noexcept nogil:
    memcpy(out.at, characters, size)
    out.at += size


cdef inline bint room(Output* out, size_t size) noexcept nogil:
    """Make room for so many bytes, and the spare ones."""
    return <size_t>(out.end - out.at) >= size + SPARE or grown(out, size + SPARE)


cdef bint grown(Output* out, size_t size) noexcept nogil:
    cdef size_t used = out.at - out.start, capacity = max(<size_t>(2 * (out.end - out.start)), used + size)
    cdef char* start = <char*>realloc(out.start, capacity)
    if not start:
        return False
    out.start, out.at, out.end = start, start + used, start + capacity
    return True
