// Hashes, keyed ones too, and random bytes. Of Node's other parts of cryptography, none is there.

const { Buffer } = require("buffer");
const { hash, hmac, isEqual, randomBytes } = native;

const HASHES = ["md5", "sha1", "sha256", "sha384", "sha512"];
const MOST = 65536;

const bytes = (value, encoding) => {
  if (typeof value !== "string" && !ArrayBuffer.isView(value)) {
    throw new TypeError("data must be of type string, Buffer, TypedArray or DataView");
  }
  if (typeof value === "string") return Buffer.from(value, encoding);
  return Buffer.from(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
};

/** What gathers bytes and says once what comes of them. */
class Digest {
  #made;
  #parts = [];
  #isDone = false;
  constructor(algorithm, made) {
    const name = String(algorithm).toLowerCase().replace("-", "");
    if (!HASHES.includes(name)) throw new Error("Digest method not supported");
    this.#made = (all) => made(name, all);
  }
  update(data, encoding) {
    if (this.#isDone) throw new Error("Digest already called");
    this.#parts.push(bytes(data, encoding));
    return this;
  }
  digest(encoding) {
    if (this.#isDone) throw new Error("Digest already called");
    this.#isDone = true;
    const made = Buffer.from(this.#made(Buffer.concat(this.#parts)));
    return encoding === undefined || encoding === "buffer" ? made : made.toString(encoding);
  }
}

const random = (size) => {
  if (!(Number.isInteger(size) && size >= 0 && size <= MOST)) throw new RangeError(`at most ${MOST} random bytes at a time`);
  return Buffer.from(randomBytes(size));
};

module.exports = {
  createHash: (algorithm) => new Digest(algorithm, hash),
  createHmac: (algorithm, key) => new Digest(algorithm, (name, all) => hmac(name, bytes(key), all)),
  getHashes: () => [...HASHES],
  randomBytes(size, callback) {
    const made = random(size);
    if (callback === undefined) return made;
    return process.nextTick(callback, null, made);
  },
  randomFillSync(target, offset = 0, size = target.byteLength - offset) {
    new Uint8Array(target.buffer ?? target, (target.byteOffset ?? 0) + offset, size).set(random(size));
    return target;
  },
  randomInt(least, end) {
    const [from, count] = end === undefined ? [0, least] : [least, end - least];
    const most = 2 ** 48 - (2 ** 48 % count);
    for (;;) {
      const drawn = random(6).readUIntBE(0, 6);
      if (drawn < most) return from + (drawn % count);
    }
  },
  randomUUID() {
    const made = random(16);
    made[6] = (made[6] & 0x0f) | 0x40;
    made[8] = (made[8] & 0x3f) | 0x80;
    return made.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  },
  timingSafeEqual(one, other) {
    const [first, second] = [bytes(one), bytes(other)];
    if (first.length !== second.length) throw new RangeError("Input buffers must have the same byte length");
    return isEqual(first, second);
  },
};
