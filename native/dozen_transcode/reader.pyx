# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A body's Extended JSON -> the BSON of its documents, as shared.documents.ejson reads them and the driver writes them.

What is not usual is declined: a malformed body, whose refusal needs words, and rare values. No byte is read at or
behind `end`.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset, strlen
from libcpp.algorithm cimport rotate
from libcpp.vector cimport vector

import sys
from base64 import b64decode

cdef extern from *:
    """
    #include <algorithm>
    #include <charconv>
    #include <cmath>
    #include <cstring>
    #include <string>

    static const char *const WRAPPERS[] = {
        "$oid", "$date", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$binary", "$code",
        "$dbPointer", "$maxKey", "$minKey", "$regularExpression", "$symbol", "$timestamp", "$undefined", "$uuid",
    };

    template <class Number> static const char *parsed(const char *at, const char *end, Number *number) {
        auto found = std::from_chars(at, end, *number);
        return found.ec == std::errc() ? found.ptr : nullptr;
    }

    // as Python does, because Apple's library of C++ reads no doubles
    static const char *parsed(const char *at, const char *end, double *number) {
        auto is_part = [](char each) { return std::memchr("+-.0123456789Ee", each, 15); };
        std::string text(at, std::find_if_not(at, end, is_part));
        char *stopped = nullptr;
        *number = PyOS_string_to_double(text.c_str(), &stopped, nullptr);
        PyErr_Clear();
        return std::isinf(*number) || stopped == nullptr ? nullptr : at + (stopped - text.c_str());
    }
    """
    const char **WRAPPERS
    const char *parsed[Number](const char *at, const char *end, Number *number) noexcept

if sys.byteorder != "little":
    raise ImportError("BSON's numbers are little-endian, and this machine's are not")

cdef enum:  # types of BSON, where 0 ends a document
    DECLINED = 0, DOUBLE = 0x01, STRING = 0x02, DOCUMENT = 0x03, ARRAY = 0x04, BINARY = 0x05, OBJECT_ID = 0x07
    BOOLEAN = 0x08, DATE = 0x09, NULL_ = 0x0A, INT32 = 0x10, INT64 = 0x12, DECIMAL = 0x13

cdef enum:  # places in WRAPPERS
    OID_NAME, DATE_NAME, INT_NAME, LONG_NAME, DOUBLE_NAME, DECIMAL_NAME, BINARY_NAME, WRAPPER_COUNT = 16

cdef enum:
    WINDOW = 128 * 1024  # bytes of a document, and of what is around the documents: at most some milliseconds
    MOST_AT_ONCE = 1_000  # documents, whose new _ids take a millisecond
    MOST_NAMES = 128  # of an object: each is compared with the others

cdef struct Buffer:
    char *data
    size_t used
    size_t size

cdef struct Span:  # of what is written
    size_t start
    size_t size

cdef struct Text:  # of the body
    const char *at
    size_t size


cdef inline char *more(Buffer *out, size_t count) except NULL:
    """Return where so many bytes are to be written."""
    cdef size_t used = out.used + count
    cdef char *data
    if used > out.size:
        data = <char *>realloc(out.data, 2 * used)
        if data == NULL:
            raise MemoryError
        out.data, out.size = data, 2 * used
    out.used = used
    return out.data + used - count


cdef inline int put(Buffer *out, const void *data, size_t count) except -1:
    memcpy(more(out, count), data, count)
    return True


cdef inline int put_byte(Buffer *out, char byte) except -1:
    more(out, 1)[0] = byte
    return True


cdef int put_place(Buffer *out, uint32_t place) except -1:
    """Write the name of an element of an array."""
    cdef char digits[11]
    cdef size_t first = sizeof(digits) - 1
    digits[first] = 0
    while first == sizeof(digits) - 1 or place:
        first -= 1
        digits[first] = <char>(48 + place % 10)
        place //= 10
    return put(out, digits + first, sizeof(digits) - first)


cdef inline int put_length(Buffer *out, size_t start, size_t length) except -1:
    cdef int32_t written = <int32_t>length
    memcpy(out.data + start, &written, 4)
    return True


cdef inline int end_document(Buffer *out, size_t start) except -1:
    put_byte(out, 0)
    return put_length(out, start, out.used - start)


cdef inline bint same(const char *text, size_t size, const char *other) noexcept:
    return size == strlen(other) and not memcmp(text, other, size)


cdef inline bint is_digit(int char) noexcept:
    return 48 <= char <= 57


cdef int wrapper_of(const char *name, size_t size) noexcept:
    cdef int wrapper = WRAPPER_COUNT if size < 4 or name[0] != b'$' else 0
    while wrapper < WRAPPER_COUNT and not same(name, size, WRAPPERS[wrapper]):
        wrapper += 1
    return wrapper


cdef bint is_hex(const char *text, size_t digits, char *out) noexcept:
    """Tell whether a text is this many digits, an even number; their bytes are written."""
    cdef uint32_t value = 0
    for place in range(digits):
        if is_digit(text[place]):
            value = value << 4 | <uint32_t>(text[place] - 48)
        elif 97 <= (text[place] | 0x20) <= 102:
            value = value << 4 | <uint32_t>((text[place] | 0x20) - 87)
        else:
            return False
        out[place // 2] = <char>value
    return True


cdef bint is_integer(Text text, int64_t *number) noexcept:
    """Tell whether a text is at most 20 digits, maybe behind a minus, of an int64."""
    cdef bint is_short = text.size and text.size <= <size_t>(20 + (text.at[0] == b'-'))
    return is_short and parsed(text.at, text.at + text.size, number) == text.at + text.size


cdef bint is_double(Text text, double *number) noexcept:
    """Tell whether a text is a number that begins with a digit, maybe behind a minus."""
    cdef size_t first = text.size and text.at[0] == b'-'
    cdef bint is_number = text.size > first and is_digit(text.at[first])
    return is_number and parsed(text.at, text.at + text.size, number) == text.at + text.size


cdef bint is_decimal(Text text, uint64_t *number) noexcept:
    """Tell whether a text is at most 19 digits, maybe behind a minus, with at most one point behind the first."""
    cdef size_t first = text.size and text.at[0] == b'-', digits = 0, point = 0
    number[0] = 0
    for place in range(first, text.size):
        if is_digit(text.at[place]) and digits < 19:
            number[0] = number[0] * 10 + <uint64_t>(text.at[place] - 48)
            digits += 1
        elif text.at[place] == b'.' and digits and not point:
            point = digits
        else:
            return False
    number[1] = <uint64_t>first << 63 | <uint64_t>(6176 - (digits - point if point else 0)) << 49
    return digits > 0


cdef bint is_moment(Text text, int64_t *moment) noexcept:
    """Tell whether a text is YYYY-MM-DDTHH:MM:SS, a fraction of up to nine digits or none, and Z."""
    cdef const char *form = "dddd-dd-ddTdd:dd:dd.ddddddddd"
    cdef int parts[7]  # from the year to what is behind the point, of which three digits count
    cdef int part = 0, days
    cdef int64_t year
    if not 20 <= text.size <= 30 or text.size == 21 or text.at[text.size - 1] != b'Z':
        return False
    memset(parts, 0, sizeof(parts))
    for place in range(text.size - 1):
        if form[place] != b'd' and form[place] == text.at[place]:
            part += 1
        elif form[place] != b'd' or not is_digit(text.at[place]):
            return False
        elif place < 23:
            parts[part] = parts[part] * 10 + text.at[place] - 48
    for _ in range(24 - <int>text.size):
        parts[6] *= 10
    year, days = parts[0], 30 + (parts[1] + parts[1] // 8) % 2
    if parts[1] == 2:
        days = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    if not (1 <= parts[1] <= 12 and 1 <= parts[2] <= days and parts[3] < 24 and parts[4] < 60 and parts[5] < 60):
        return False
    year += 400 - (parts[1] < 3)  # years that begin in March have leap days at their end; 400 later, none is negative
    year = year * 365 + year // 4 - year // 100 + year // 400 + (153 * ((parts[1] + 9) % 12) + 2) // 5 + parts[2] - 1
    year -= 719_468 + 146_097  # days up to 1970, and of 400 years
    moment[0] = ((year * 24 + parts[3]) * 60 + parts[4]) * 60_000 + parts[5] * 1_000 + parts[6]
    return True


cdef class Reader:
    """One body, of which a member holds a document, or an array of documents."""

    cdef bytes body, member
    cdef bint are_many
    cdef object new_ids
    cdef int ids_left  # of those that were asked for last
    cdef unsigned char[12] next_id
    cdef int most_levels
    cdef size_t most_members
    cdef const char *at  # what is read next
    cdef const char *end  # of what may be read
    cdef const char *starts  # the member's value
    cdef const char *ends
    cdef int seen  # the bits of all bytes in texts
    cdef Buffer out
    cdef vector[Span] names  # of the objects that are being read
    cdef Span id  # the whole element

    def __cinit__(self, bytes body, bytes member, *, bint are_many, new_ids, int most_levels, int most_members):
        """Take a body, a member's name, and what its documents are; new ones have their _id in front.

        `new_ids` makes the first of so many for those without one; None if they are not new.
        """
        self.body, self.member, self.are_many, self.new_ids = body, member, are_many, new_ids
        self.most_levels, self.most_members = most_levels, min(most_members, MOST_NAMES)
        self.at = self.body
        self.ends = NULL

    def __dealloc__(self):
        free(self.out.data)

    def begin(self):
        """Go to the documents; return False to decline."""
        self.look_on()
        if self.next() != b'{' or self.seek(self.next()) != b':':
            return False
        self.starts = self.at
        return self.next() == b'[' if self.are_many else True

    def read(self, size_t size):
        """Return the next documents, of not much more text than a size, none at the end, and the array of their _ids.

        None is to decline.
        """
        cdef const char *enough = self.at + min(size, self.left())
        cdef Buffer ids
        cdef int char
        found = []
        memset(&ids, 0, sizeof(ids))
        self.ids_left = 0
        try:
            more(&ids, 4)
            while self.ends == NULL and (not found or (self.at < enough and len(found) < MOST_AT_ONCE)):
                self.look_on()
                if self.next() != b'{' or not self.document():
                    return None
                if self.new_ids is not None:
                    put_byte(&ids, self.out.data[4])
                    put_place(&ids, <uint32_t>len(found))
                    put(&ids, self.out.data + 9, self.id.size - 5)
                found.append(PyBytes_FromStringAndSize(self.out.data, self.out.used))
                char = self.next() if self.are_many else b']'
                if char == b']':
                    self.ends = self.at
                elif char != b',':
                    return None
            end_document(&ids, 0)
            return found, PyBytes_FromStringAndSize(ids.data, ids.used)
        finally:
            free(ids.data)

    def rest(self):
        """Return the body with null in the place of the documents; None to decline."""
        cdef const char *body = self.body
        cdef int char
        self.look_on()
        char = self.next()
        if char == b',':
            char = self.seek(self.next())
        return self.body[:self.starts - body] + b"null" + self.body[self.ends - body:] if char == b'}' else None

    cdef size_t left(self) noexcept:
        cdef const char *body = self.body
        return body + len(self.body) - self.at

    cdef void look_on(self) noexcept:
        """Let no more than a window be read from here."""
        self.end = self.at + min(<size_t>WINDOW, self.left())

    cdef inline int next(self) noexcept:
        """Read the next byte that is no space; -1 at the end."""
        cdef int char = b' '
        while char == b' ' or char == b'\n' or char == b'\r' or char == b'\t':
            if self.at == self.end:
                return -1
            char = <unsigned char>self.at[0]
            self.at += 1
        return char

    cdef bint is_next(self, const char *letters) noexcept:
        """Tell whether just these are next, and read them."""
        cdef size_t size = strlen(letters)
        if <size_t>(self.end - self.at) < size or memcmp(self.at, letters, size):
            return False
        self.at += size
        return True

    cdef bint plain(self, Text *found) noexcept:
        """Read the rest of a text in which nothing is escaped."""
        found.at = self.at
        while self.at < self.end and <unsigned char>self.at[0] >= 0x20 and self.at[0] != b'\\':
            self.at += 1
            if (self.at - 1)[0] == b'"':
                found.size = self.at - 1 - found.at
                return True
        return False

    # What is around the documents: orjson tells whether it is JSON, and if it is, its values end where they do here.

    cdef int seek(self, int char) noexcept:
        """Read members up to the documents or the end; return the colon or the brace, or another byte to decline."""
        cdef Text name
        cdef const char *member = self.member
        while char == b'"':
            if not self.plain(&name) or self.next() != b':':
                return DECLINED
            if same(name.at, name.size, member):
                return b':'
            self.skip()
            char = self.next()
            if char == b',':
                char = self.next()
        return char

    cdef void skip(self) noexcept:
        """Read up to what is behind a value of the body."""
        cdef size_t levels = 0
        cdef char char
        cdef bint is_text = False
        while self.at < self.end:
            char = self.at[0]
            if not levels and not is_text and (char == b',' or char == b'}'):
                return
            if char == b'"':
                is_text = not is_text
            elif is_text:
                self.at += char == b'\\' and self.at + 1 < self.end
            elif char == b'{' or char == b'[':
                levels += 1
            elif char == b'}' or char == b']':
                levels -= 1
            self.at += 1

    # The documents. What reads a value writes it and returns its type; it may have `room` levels below itself.

    cdef int document(self) except -1:
        """Its bracket was read."""
        cdef const char *start = self.at
        self.out.used = self.seen = self.id.size = 0
        self.names.clear()
        if self.object(self.most_levels) != DOCUMENT or (self.seen >= 0x80 and not self.is_utf8(start)):
            return DECLINED
        if self.new_ids is not None:
            if not self.id.size:
                self.put_new_id()
            rotate(self.out.data + 4, self.out.data + self.id.start, self.out.data + self.id.start + self.id.size)
        return DOCUMENT

    cdef int put_new_id(self) except -1:
        cdef bytes first
        if not self.ids_left:
            self.ids_left = MOST_AT_ONCE if self.are_many else 1
            first = self.new_ids(self.ids_left)
            memcpy(self.next_id, <const char *>first, min(<size_t>len(first), sizeof(self.next_id)))
        self.out.used -= 1
        self.id.start, self.id.size = self.out.used, 17
        put(&self.out, b"\x07_id\0", 5)
        put(&self.out, self.next_id, sizeof(self.next_id))
        self.ids_left -= 1
        for place in range(11, 8, -1):  # the last three bytes are a counter
            self.next_id[place] += 1
            if self.next_id[place]:
                break
        return end_document(&self.out, 0)

    cdef bint is_utf8(self, const char *start):
        """Tell whether the texts from here are; all else is ASCII."""
        try:
            PyUnicode_DecodeUTF8(start, self.at - start, NULL)
        except UnicodeDecodeError:
            return False
        return True

    cdef int value(self, int room) except -1:
        cdef int char = self.next()
        if char == b'"':
            return self.string()
        if is_digit(char) or char == b'-':
            return self.number()
        if char == b'{':
            return self.object(room)
        if char == b'[':
            return self.array(room)
        if char == b't' and self.is_next("rue"):
            put_byte(&self.out, 1)
            return BOOLEAN
        if char == b'f' and self.is_next("alse"):
            put_byte(&self.out, 0)
            return BOOLEAN
        return NULL_ if char == b'n' and self.is_next("ull") else DECLINED

    cdef int object(self, int room) except -1:
        """Its bracket was read; it may be a wrapper, which is no level."""
        cdef size_t start = self.out.used, first = self.names.size()
        cdef Text name
        cdef int wrapper, kind, char = self.next()
        if char == b'"' and self.at < self.end and self.at[0] == b'$':
            wrapper = wrapper_of(name.at, name.size) if self.plain(&name) else WRAPPER_COUNT
            if wrapper < WRAPPER_COUNT:
                kind = self.operand(wrapper) if self.next() == b':' else DECLINED
                return kind if self.next() == b'}' else DECLINED
            self.at = name.at
        if room < 0:
            return DECLINED
        more(&self.out, 4)
        while char == b'"':
            if not self.member_of(first, room):
                return DECLINED
            char = self.next()
            if char != b',':
                break
            char = self.next()
            if char != b'"':
                return DECLINED
        self.names.resize(first)
        end_document(&self.out, start)
        return DOCUMENT if char == b'}' else DECLINED

    cdef int member_of(self, size_t first, int room) except -1:
        """It belongs to an object whose names are those from the first; its quote was read."""
        cdef size_t start = self.out.used
        cdef Span name
        cdef const char *text
        cdef int kind
        put_byte(&self.out, 0)
        if not self.text() or self.names.size() - first == self.most_members:
            return DECLINED
        name.start, name.size = start + 1, self.out.used - start - 1
        text = self.out.data + name.start
        if memchr(text, 0, name.size) or wrapper_of(text, name.size) < WRAPPER_COUNT:
            return DECLINED
        if first == 0 and self.new_ids is None and name.size and text[0] == b'$':
            return DECLINED  # an update operator
        for other in range(first, self.names.size()):
            if self.names[other].size == name.size and not memcmp(
                self.out.data + self.names[other].start, text, name.size
            ):
                return DECLINED
        self.names.push_back(name)
        put_byte(&self.out, 0)
        kind = self.value(room - 1) if self.next() == b':' else DECLINED
        self.out.data[start] = <char>kind
        if first == 0 and same(self.out.data + name.start, name.size, "_id"):
            self.id.start, self.id.size = start, self.out.used - start
        return kind

    cdef int array(self, int room) except -1:
        """Its bracket was read."""
        cdef size_t start = self.out.used, element
        cdef uint32_t place = 0
        cdef int kind, char = self.next()
        if room < 0 or char == -1:
            return DECLINED
        more(&self.out, 4)
        if char != b']':
            self.at -= 1
            char = b','
        while char == b',':
            element = self.out.used
            put_byte(&self.out, 0)
            put_place(&self.out, place)
            kind = self.value(room - 1)
            if kind == DECLINED:
                return DECLINED
            self.out.data[element] = <char>kind
            place += 1
            char = self.next()
        end_document(&self.out, start)
        return ARRAY if char == b']' else DECLINED

    cdef int string(self) except -1:
        """Its quote was read."""
        cdef size_t start = self.out.used
        more(&self.out, 4)
        if not self.text():
            return DECLINED
        put_byte(&self.out, 0)
        put_length(&self.out, start, self.out.used - start - 4)
        return STRING

    cdef int text(self) except -1:
        """Write what the rest of a text says, and nothing else; return False to decline."""
        cdef const char *start = self.at
        cdef const char *at = self.at
        cdef unsigned char char
        while at < self.end:
            char = at[0]
            if char == b'"' or char == b'\\':
                put(&self.out, start, at - start)
                self.at = at + 1
                if char == b'"':
                    return True
                if not self.escape():
                    return False
                start = at = self.at
            elif char < 0x20:
                return False
            else:
                self.seen |= char
                at += 1
        return False

    cdef int escape(self) except -1:
        """Write what stands behind a backslash; return False to decline."""
        cdef const char *known = b'"\\/bfnrt'
        cdef const char *meant = b'"\\/\b\f\n\r\t'
        cdef char *out
        cdef int size
        cdef uint32_t point, low
        if self.at == self.end:
            return False
        self.at += 1
        for place in range(8):
            if (self.at - 1)[0] == known[place]:
                return put_byte(&self.out, meant[place])
        if (self.at - 1)[0] != b'u' or not self.unit(&point) or 0xDC00 <= point < 0xE000:
            return False
        if 0xD800 <= point < 0xDC00:
            if not self.is_next("\\u") or not self.unit(&low) or not 0xDC00 <= low < 0xE000:
                return False
            point = 0x10000 + (point - 0xD800 << 10) + low - 0xDC00
        if point < 0x80:
            return put_byte(&self.out, <char>point)
        size = 2 if point < 0x800 else 3 if point < 0x10000 else 4
        out = more(&self.out, size)
        for place in range(size - 1, 0, -1):
            out[place] = <char>(0x80 | point & 0x3F)
            point >>= 6
        out[0] = <char>(0xF00 >> size | point)
        return True

    cdef bint unit(self, uint32_t *found) noexcept:
        """Read four hexadecimal digits."""
        cdef char units[2]
        if self.end - self.at < 4 or not is_hex(self.at, 4, units):
            return False
        found[0] = <uint32_t><unsigned char>units[0] << 8 | <unsigned char>units[1]
        self.at += 4
        return True

    cdef int number(self) except -1:
        """Its first byte was read, a digit or a minus."""
        cdef const char *start = self.at - 1
        cdef const char *first = start + (start[0] == b'-')
        cdef int64_t whole
        cdef int32_t small
        cdef double number
        cdef const char *ends = parsed(start, self.end, &whole)
        if ends == NULL or (first[0] == b'0' and ends - first > 1):
            return DECLINED
        if ends < self.end and memchr(b".eE", ends[0], 3):
            if ends[0] == b'.' and (ends + 1 == self.end or not is_digit(ends[1])):
                return DECLINED
            ends = parsed(start, self.end, &number)
            if ends == NULL:
                return DECLINED
            self.at = ends
            put(&self.out, &number, 8)
            return DOUBLE
        self.at = ends
        small = <int32_t>whole
        if small == whole:
            put(&self.out, &small, 4)
            return INT32
        put(&self.out, &whole, 8)
        return INT64

    # The wrappers that are usual: what reads their operands has the colon behind it.

    cdef int operand(self, int wrapper) except -1:
        cdef Text text
        cdef int64_t whole
        cdef int32_t small
        cdef double number
        cdef uint64_t decimal[2]
        if wrapper == DATE_NAME:
            return self.date()
        if wrapper == BINARY_NAME:
            return self.binary()
        if self.next() != b'"' or not self.plain(&text):
            return DECLINED
        if wrapper == OID_NAME and text.size == 24:
            return OBJECT_ID if is_hex(text.at, 24, more(&self.out, 12)) else DECLINED
        if wrapper == LONG_NAME and is_integer(text, &whole):
            put(&self.out, &whole, 8)
            return INT64
        if wrapper == INT_NAME and is_integer(text, &whole):
            small = <int32_t>whole
            put(&self.out, &small, 4)
            return INT32 if small == whole else DECLINED
        if wrapper == DOUBLE_NAME and is_double(text, &number):
            put(&self.out, &number, 8)
            return DOUBLE
        if wrapper == DECIMAL_NAME and is_decimal(text, decimal):
            put(&self.out, decimal, 16)
            return DECIMAL
        return DECLINED

    cdef int binary(self) except -1:
        cdef Text text, subtype
        cdef char kind
        cdef bytes content
        if not self.is_named(b'{', "base64", &text) or not self.is_named(b',', "subType", &subtype):
            return DECLINED
        if self.next() != b'}' or subtype.size != 2 or not is_hex(subtype.at, 2, &kind) or kind == 2:
            return DECLINED  # binaries of subtype 2 have their length twice
        try:
            content = b64decode(text.at[:text.size], validate=True)
        except ValueError:
            return DECLINED
        more(&self.out, 4)
        put_length(&self.out, self.out.used - 4, len(content))
        put_byte(&self.out, kind)
        put(&self.out, <const char *>content, len(content))
        return BINARY

    cdef int date(self) except -1:
        cdef Text text
        cdef int64_t moment
        cdef bint is_one
        if self.next() == b'"':
            is_one = self.plain(&text) and is_moment(text, &moment)
        else:
            self.at -= 1
            is_one = self.is_named(b'{', "$numberLong", &text) and self.next() == b'}' and is_integer(text, &moment)
        put(&self.out, &moment, 8)
        return DATE if is_one else DECLINED

    cdef bint is_named(self, int char, const char *name, Text *found) noexcept:
        """Read a member whose value is a text, behind this byte."""
        cdef Text read
        if self.next() != char or self.next() != b'"' or not self.plain(&read) or not same(read.at, read.size, name):
            return False
        return self.next() == b':' and self.next() == b'"' and self.plain(found)
