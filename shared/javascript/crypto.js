// Hashes, keyed ones too, and random bytes. All of it is of bytes: what texts are to a function is said elsewhere.

const zeros = (length) => new TheBytes(length);

/** Return bytes that follow each other as one. */
const joined = (...parts) => {
  let length = 0;
  for (let i = 0; i < parts.length; i++) length += bytesIn(parts[i]);
  const all = zeros(length);
  let at = 0;
  for (let i = 0; i < parts.length; i++) {
    for (let k = 0; k < bytesIn(parts[i]); k++) all[at++] = parts[i][k];
  }
  return all;
};
const slice = (bytes, from, to = bytesIn(bytes)) => {
  const some = zeros(to - from);
  for (let i = from; i < to; i++) some[i - from] = bytes[i];
  return some;
};
/** Return the bytes of a text of which each character is one. */
const bytesOf = (binary) => {
  const bytes = zeros(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = codeAt(binary, i);
  return bytes;
};
const utf8 = (text) => bytesOf(unescaped(encodeURL(wellFormed(text))));

/** Tell whether bytes are the same, in a time that depends on their number alone. */
const isEqual = (a, b) => {
  let difference = bytesIn(a) ^ bytesIn(b);
  for (let i = 0; i < bytesIn(a); i++) difference |= a[i] ^ b[i];
  return difference === 0;
};

/** Return a message with the end that hashes give it: a bit, zeros, and its length in bits. */
const padded = (message, block, isBig) => {
  const length = bytesIn(message);
  const words = block / 8;
  const all = zeros(floor((length + words + block) / block) * block);
  for (let i = 0; i < length; i++) all[i] = message[i];
  all[length] = 0x80;
  let bits = length * 8;
  for (let i = 0; bits > 0; i++) {
    all[isBig ? bytesIn(all) - 1 - i : bytesIn(all) - words + i] = bits % 256;
    bits = floor(bits / 256);
  }
  return all;
};
const wordAt = (bytes, at) => (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
const littleWordAt = (bytes, at) => (bytes[at + 3] << 24) | (bytes[at + 2] << 16) | (bytes[at + 1] << 8) | bytes[at];

/** Return the bytes of words of 32 bits. */
const bytesOfWords = (words, count, isBig) => {
  const bytes = zeros(4 * count);
  for (let i = 0; i < 4 * count; i++) bytes[i] = words[i >> 2] >>> (isBig ? 24 - 8 * (i & 3) : 8 * (i & 3));
  return bytes;
};
const left = (word, by) => (word << by) | (word >>> (32 - by));
const right = (word, by) => (word >>> by) | (word << (32 - by));

const FIRST = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];

const md5 = (message) => {
  const all = padded(message, 64, false);
  const turns = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
  const sines = new TheInts(64);
  for (let i = 0; i < 64; i++) sines[i] = floor(abs(sin(i + 1)) * 2 ** 32);
  const state = new TheInts(4);
  for (let i = 0; i < 4; i++) state[i] = FIRST[i];
  for (let at = 0; at < bytesIn(all); at += 64) {
    let a = state[0], b = state[1], c = state[2], d = state[3];
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      const mixed = round === 0 ? (b & c) | (~b & d) : round === 1 ? (d & b) | (~d & c) : round === 2 ? b ^ c ^ d : c ^ (b | ~d);
      const index = round === 0 ? i : round === 1 ? 5 * i + 1 : round === 2 ? 3 * i + 5 : 7 * i;
      const sum = (a + mixed + sines[i] + littleWordAt(all, at + 4 * (index & 15))) | 0;
      a = d;
      d = c;
      c = b;
      b = (b + left(sum, turns[round][i & 3])) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
  }
  return bytesOfWords(state, 4, false);
};

const sha1 = (message) => {
  const all = padded(message, 64, true);
  const words = new TheInts(80);
  const state = new TheInts(5);
  for (let i = 0; i < 5; i++) state[i] = FIRST[i];
  for (let at = 0; at < bytesIn(all); at += 64) {
    for (let i = 0; i < 16; i++) words[i] = wordAt(all, at + 4 * i);
    for (let i = 16; i < 80; i++) words[i] = left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (let i = 0; i < 80; i++) {
      const mixed = i < 20 ? ((b & c) | (~b & d)) + 0x5a827999 : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
        : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc : (b ^ c ^ d) + 0xca62c1d6;
      const next = (left(a, 5) + mixed + e + words[i]) | 0;
      e = d;
      d = c;
      c = left(b, 30);
      b = a;
      a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
  }
  return bytesOfWords(state, 5, true);
};

/** Return the first 64 bits behind the point of roots of the first primes, of which SHA-2 is made. */
const rootsOf = (count, power) => {
  const roots = create(null);
  let found = 0;
  for (let prime = 2; found < count; prime++) {
    let divisor = 2;
    while (divisor * divisor <= prime && prime % divisor) divisor++;
    if (divisor * divisor <= prime) continue;
    const target = toBigInt(prime) << toBigInt(64 * power);
    let low = 0n;
    for (let bit = 1n << 68n; bit > 0n; bit >>= 1n) if ((low | bit) ** toBigInt(power) <= target) low |= bit;
    roots[found++] = asUint64(64, low);
  }
  return roots;
};
let constants;
let starts;
const prepare = () => {
  constants ??= rootsOf(80, 3);
  starts ??= rootsOf(16, 2);
};

const sha256 = (message) => {
  prepare();
  const all = padded(message, 64, true);
  const words = new TheInts(64);
  const state = new TheInts(8);
  const added = new TheInts(64);
  for (let i = 0; i < 8; i++) state[i] = toNumber(starts[i] >> 32n);
  for (let i = 0; i < 64; i++) added[i] = toNumber(constants[i] >> 32n);
  for (let at = 0; at < bytesIn(all); at += 64) {
    for (let i = 0; i < 16; i++) words[i] = wordAt(all, at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15], y = words[i - 2];
      words[i] = words[i - 16] + words[i - 7] + (right(x, 7) ^ right(x, 18) ^ (x >>> 3)) + (right(y, 17) ^ right(y, 19) ^ (y >>> 10));
    }
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i++) {
      const first = h + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & f) ^ (~e & g)) + added[i] + words[i];
      const second = (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    const next = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) state[i] += next[i];
  }
  return bytesOfWords(state, 8, true);
};

const longRight = (word, by) => (word >> by) | asUint64(64, word << (64n - by));
const longAt = (bytes, at) => (toBigInt(wordAt(bytes, at) >>> 0) << 32n) | toBigInt(wordAt(bytes, at + 4) >>> 0);

/** SHA-512, or with another start and less of the end SHA-384. */
const sha512Of = (message, start, length) => {
  prepare();
  const all = padded(message, 128, true);
  const state = create(null);
  const words = create(null);
  for (let i = 0; i < 8; i++) state[i] = starts[start + i];
  for (let at = 0; at < bytesIn(all); at += 128) {
    for (let i = 0; i < 16; i++) words[i] = longAt(all, at + 8 * i);
    for (let i = 16; i < 80; i++) {
      const x = words[i - 15], y = words[i - 2];
      const before = longRight(x, 1n) ^ longRight(x, 8n) ^ (x >> 7n);
      words[i] = asUint64(64, words[i - 16] + words[i - 7] + before + (longRight(y, 19n) ^ longRight(y, 61n) ^ (y >> 6n)));
    }
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 80; i++) {
      const mixed = longRight(e, 14n) ^ longRight(e, 18n) ^ longRight(e, 41n);
      const first = h + mixed + (g ^ (e & (f ^ g))) + constants[i] + words[i];
      const second = (longRight(a, 28n) ^ longRight(a, 34n) ^ longRight(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = asUint64(64, d + first);
      d = c;
      c = b;
      b = a;
      a = asUint64(64, first + second);
    }
    const next = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) state[i] = asUint64(64, state[i] + next[i]);
  }
  const bytes = zeros(length);
  for (let i = 0; i < length; i++) bytes[i] = toNumber((state[i >> 3] >> toBigInt(56 - 8 * (i & 7))) & 255n);
  return bytes;
};

const HASHES = {
  __proto__: null,
  md5,
  sha1,
  sha256,
  sha384: (message) => sha512Of(message, 8, 48),
  sha512: (message) => sha512Of(message, 0, 64),
};
const hash = (name, message) => {
  const made = typeof name === "string" ? HASHES[name] : undefined;
  if (made === undefined) throw new TheTypeError(`'${cut(toText(name), 0, 100)}' is no hash that is served here`);
  return made(message);
};

/** Return the HMAC of a message. */
const hmac = (name, key, message) => {
  const block = name === "sha384" || name === "sha512" ? 128 : 64;
  const short = bytesIn(key) > block ? hash(name, key) : key;
  const inner = zeros(block);
  const outer = zeros(block);
  for (let i = 0; i < block; i++) {
    const byte = i < bytesIn(short) ? short[i] : 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  return hash(name, joined(outer, hash(name, joined(inner, message))));
};

let drawn = 0;
/** Return bytes that nobody can guess: a stream of HMACs under a key that each call is given. */
const randomBytes = (count) => {
  const key = utf8(origins().seed);
  const bytes = zeros(count);
  for (let at = 0; at < count; at += 32) {
    const block = hmac("sha256", key, utf8(`${drawn++}`));
    for (let i = 0; i < 32 && at + i < count; i++) bytes[at + i] = block[i];
  }
  return bytes;
};

return { bytesOf, hash, hmac, isEqual, joined, randomBytes, slice, utf8, zeros };
