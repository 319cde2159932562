// Texts of bytes that come in pieces.

const { Buffer } = require("buffer");

/** Return how many bytes at the end are the beginning of a character. */
const unfinished = (bytes, encoding) => {
  if (encoding === "base64") return bytes.length % 3;
  if (encoding === "utf16le") {
    const odd = bytes.length % 2;
    const last = bytes[bytes.length - odd - 1];
    return odd + (last >= 0xd8 && last < 0xdc ? 2 : 0);
  }
  if (encoding !== "utf8") return 0;
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
};

const NAMES = { "utf-8": "utf8", "ucs2": "utf16le", "ucs-2": "utf16le", "utf-16le": "utf16le", binary: "latin1" };

class StringDecoder {
  #kept = Buffer.alloc(0);
  constructor(encoding = "utf8") {
    if (!Buffer.isEncoding(encoding)) throw new TypeError(`Unknown encoding: ${encoding}`);
    const name = encoding.toLowerCase();
    this.encoding = NAMES[name] ?? name;
  }
  write(bytes) {
    if (typeof bytes === "string") return bytes;
    const all = Buffer.concat([this.#kept, bytes]);
    const end = all.length - unfinished(all, this.encoding);
    this.#kept = all.subarray(end);
    return all.toString(this.encoding, 0, end);
  }
  end(bytes = Buffer.alloc(0)) {
    const text = this.write(bytes) + this.#kept.toString(this.encoding);
    this.#kept = Buffer.alloc(0);
    return text;
  }
}

module.exports = { StringDecoder };
