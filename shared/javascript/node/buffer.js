// Bytes as Node has them.

const MOST = 2 ** 31 - 1;

const binaryOf = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8192));
  return text;
};
const bytesOf = (binary) => {
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
};

/** Return the text of bytes of which some are no UTF-8: each wrong beginning is one U+FFFD. */
const repaired = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i++];
    let more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    if (first < 0x80) {
      text += String.fromCharCode(first);
    } else if (more === 0) {
      text += "\ufffd";
    } else {
      let code = first & (0x3f >> more);
      let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
      let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
      for (; more > 0 && bytes[i] >= low && bytes[i] <= high; more--, low = 0x80, high = 0xbf) {
        code = (code << 6) | (bytes[i++] & 0x3f);
      }
      text += more === 0 ? String.fromCodePoint(code) : "\ufffd";
    }
  }
  return text;
};

const base64 = (text) => {
  const digits = text.split("=", 1)[0].replace(/-/g, "+").replace(/_/g, "/").replace(/[^A-Za-z0-9+/]/g, "");
  return bytesOf(atob(digits.length % 4 === 1 ? digits.slice(0, -1) : digits));
};
const utf16 = {
  read(bytes) {
    let text = "";
    for (let i = 0; i + 1 < bytes.length; i += 2) text += String.fromCharCode(bytes[i] | (bytes[i + 1] << 8));
    return text;
  },
  write(text) {
    const bytes = new Uint8Array(2 * text.length);
    for (let i = 0; i < text.length; i++) {
      bytes[2 * i] = text.charCodeAt(i);
      bytes[2 * i + 1] = text.charCodeAt(i) >> 8;
    }
    return bytes;
  },
};
const latin1 = { read: binaryOf, write: bytesOf };
const utf8 = {
  read(bytes) {
    try {
      return decodeURIComponent(escape(binaryOf(bytes)));
    } catch {
      return repaired(bytes);
    }
  },
  write: (text) => bytesOf(unescape(encodeURIComponent(text.toWellFormed()))),
};
const ENCODINGS = {
  __proto__: null,
  utf8,
  "utf-8": utf8,
  latin1,
  binary: latin1,
  ascii: { read: (bytes) => binaryOf(bytes.map((byte) => byte & 0x7f)), write: bytesOf },
  ucs2: utf16,
  "ucs-2": utf16,
  utf16le: utf16,
  "utf-16le": utf16,
  hex: {
    read: (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    write: (text) => Uint8Array.from(/^([0-9a-f]{2})*/i.exec(text)[0].match(/../g) ?? [], (each) => parseInt(each, 16)),
  },
  base64: { read: (bytes) => btoa(binaryOf(bytes)), write: base64 },
  base64url: {
    read: (bytes) => btoa(binaryOf(bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, ""),
    write: base64,
  },
};
const encoding = (name) => {
  const found = ENCODINGS[name === undefined || name === null || name === "" ? "utf8" : String(name).toLowerCase()];
  if (found === undefined) throw new TypeError(`Unknown encoding: ${name}`);
  return found;
};

const swapped = (buffer, size) => {
  if (buffer.length % size) throw new RangeError(`Buffer size must be a multiple of ${8 * size}-bits`);
  for (let i = 0; i < buffer.length; i += size) buffer.subarray(i, i + size).reverse();
  return buffer;
};

class Bytes extends Uint8Array {
  toString(name, start = 0, end = this.length) {
    return encoding(name).read(Uint8Array.prototype.subarray.call(this, Math.max(start, 0), Math.max(end, 0)));
  }
  toLocaleString(name, start, end) {
    return this.toString(name, start, end);
  }
  toJSON() {
    return { type: "Buffer", data: Array.from(this) };
  }
  equals(other) {
    return Buffer.compare(this, other) === 0;
  }
  compare(other, start = 0, end = other.length, ownStart = 0, ownEnd = this.length) {
    return Buffer.compare(this.subarray(ownStart, ownEnd), other.subarray(start, end));
  }
  slice(start, end) {
    return this.subarray(start, end);
  }
  copy(target, at = 0, start = 0, end = this.length) {
    const part = this.subarray(start, Math.min(end, start + target.length - at));
    target.set(part, at);
    return part.length;
  }
  write(text, at = 0, length = undefined, name = undefined) {
    if (typeof at === "string") return this.write(text, 0, undefined, at);
    if (typeof length === "string") return this.write(text, at, undefined, length);
    const bytes = encoding(name).write(text).subarray(0, Math.min(length ?? MOST, this.length - at));
    this.set(bytes, at);
    return bytes.length;
  }
  fill(value, start = 0, end = this.length, name = undefined) {
    if (typeof start === "string") return this.fill(value, 0, this.length, start);
    if (typeof value === "number") return super.fill(value, start, end);
    const bytes = typeof value === "string" ? encoding(name).write(value) : value;
    for (let i = start; i < end; i++) this[i] = bytes.length ? bytes[(i - start) % bytes.length] : 0;
    return this;
  }
  indexOf(value, from = 0, name = undefined) {
    if (typeof value === "number") return super.indexOf(value & 0xff, from);
    return binaryOf(this).indexOf(binaryOf(typeof value === "string" ? encoding(name).write(value) : value), from);
  }
  lastIndexOf(value, from = this.length, name = undefined) {
    if (typeof value === "number") return super.lastIndexOf(value & 0xff, from);
    return binaryOf(this).lastIndexOf(binaryOf(typeof value === "string" ? encoding(name).write(value) : value), from);
  }
  swap16() {
    return swapped(this, 2);
  }
  swap32() {
    return swapped(this, 4);
  }
  swap64() {
    return swapped(this, 8);
  }
  includes(value, from, name) {
    return this.indexOf(value, from, name) >= 0;
  }
}

const numbers = (name, bytes, getter, endings) => {
  for (const [ending, isLittle] of endings) {
    const check = (buffer, at) => {
      if (!(at >= 0 && at + bytes <= buffer.length)) throw new RangeError("Attempt to access memory outside buffer bounds");
      return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    };
    const read = function (at = 0) {
      return check(this, at)[`get${getter}`](at, isLittle);
    };
    const write = function (value, at = 0) {
      check(this, at)[`set${getter}`](at, value, isLittle);
      return at + bytes;
    };
    for (const each of [name + ending, (name + ending).replace("UInt", "Uint")]) {
      Object.defineProperty(Bytes.prototype, `read${each}`, { value: read, configurable: true, writable: true });
      Object.defineProperty(Bytes.prototype, `write${each}`, { value: write, configurable: true, writable: true });
    }
  }
};
const BOTH = [["LE", true], ["BE", false]];
numbers("UInt8", 1, "Uint8", [["", true]]);
numbers("Int8", 1, "Int8", [["", true]]);
numbers("UInt16", 2, "Uint16", BOTH);
numbers("Int16", 2, "Int16", BOTH);
numbers("UInt32", 4, "Uint32", BOTH);
numbers("Int32", 4, "Int32", BOTH);
numbers("Float", 4, "Float32", BOTH);
numbers("Double", 8, "Float64", BOTH);
numbers("BigInt64", 8, "BigInt64", BOTH);
numbers("BigUInt64", 8, "BigUint64", BOTH);


/** Numbers of so many bytes as the call says. */
const ofLength = (ending, order) => {
  const whole = (buffer, at, length) => order(Array.from(buffer.subarray(at, at + length)));
  const unsigned = (buffer, at, length) => whole(buffer, at, length).reduce((sum, byte) => sum * 256 + byte, 0);
  const methods = {
    [`readUInt${ending}`](at, length) {
      return unsigned(this, at, length);
    },
    [`readInt${ending}`](at, length) {
      const value = unsigned(this, at, length);
      return value < 2 ** (8 * length - 1) ? value : value - 2 ** (8 * length);
    },
    [`writeUInt${ending}`](value, at, length) {
      const bytes = [];
      for (let left = value < 0 ? value + 2 ** (8 * length) : value; bytes.length < length; left = Math.floor(left / 256)) {
        bytes.unshift(left % 256);
      }
      this.set(order(bytes), at);
      return at + length;
    },
  };
  methods[`writeInt${ending}`] = methods[`writeUInt${ending}`];
  for (const name of Object.keys(methods)) {
    Object.defineProperty(Bytes.prototype, name, { value: methods[name], configurable: true, writable: true });
  }
};
ofLength("BE", (bytes) => bytes);
ofLength("LE", (bytes) => bytes.reverse());

const made = (bytes) => new Bytes(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What is called with `new` or without, as old programs do. */
function Buffer(value, name, length) {
  return typeof value === "number" ? Buffer.alloc(value) : Buffer.from(value, name, length);
}
Buffer.prototype = Bytes.prototype;
Object.defineProperty(Bytes.prototype, "constructor", { value: Buffer, configurable: true, writable: true });
Object.defineProperty(Bytes, Symbol.species, { value: Bytes });
Object.defineProperty(Buffer, Symbol.species, { value: Bytes });

Object.assign(Buffer, {
  poolSize: 8192,
  from(value, name, length) {
    if (typeof value === "string") return made(encoding(name).write(value));
    if (value instanceof ArrayBuffer) return new Bytes(value, name, length);
    if (ArrayBuffer.isView(value) || Array.isArray(value)) return new Bytes(Array.from(value, Number));
    if (value?.type === "Buffer" && Array.isArray(value.data)) return new Bytes(value.data);
    const plain = value?.valueOf?.();
    if (plain !== undefined && plain !== null && plain !== value) return Buffer.from(plain, name, length);
    if (typeof value?.length === "number") return new Bytes(Array.from(value, Number));
    throw new TypeError("The first argument must be of type string, Buffer, ArrayBuffer, Array or an object like those");
  },
  of: (...bytes) => new Bytes(bytes),
  alloc(size, value = 0, name = undefined) {
    if (typeof size !== "number") throw new TypeError('The "size" argument must be of type number');
    const buffer = new Bytes(size);
    return value === 0 ? buffer : buffer.fill(value, 0, size, name);
  },
  allocUnsafe: (size) => Buffer.alloc(size),
  allocUnsafeSlow: (size) => Buffer.alloc(size),
  isBuffer: (value) => value instanceof Bytes,
  isEncoding: (name) => typeof name === "string" && ENCODINGS[name.toLowerCase()] !== undefined,
  byteLength: (value, name) => (typeof value === "string" ? encoding(name).write(value).length : value.byteLength),
  compare(one, other) {
    const least = Math.min(one.length, other.length);
    for (let i = 0; i < least; i++) if (one[i] !== other[i]) return one[i] < other[i] ? -1 : 1;
    return Math.sign(one.length - other.length);
  },
  concat(list, length = list.reduce((sum, each) => sum + each.length, 0)) {
    const buffer = Buffer.alloc(length);
    let at = 0;
    for (const each of list) {
      if (at < length) buffer.set(each.subarray(0, length - at), at);
      at += each.length;
    }
    return buffer;
  },
});

module.exports = {
  Buffer, SlowBuffer: Buffer, kMaxLength: MOST, INSPECT_MAX_BYTES: 50,
  constants: { MAX_LENGTH: MOST, MAX_STRING_LENGTH: MOST },
};
