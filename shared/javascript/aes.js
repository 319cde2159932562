// AES in the mode GCM: a nonce of 12 bytes, a tag of 16.

const { isEqual, joined, randomBytes, slice, zeros } = part("crypto");
const NONCE = 12;
const TAG = 16;

const doubled = (byte) => ((byte << 1) ^ (byte & 0x80 ? 0x11b : 0)) & 255;

/** The substitution of bytes: the inverse in the field, and an affine map of it. */
const substitutes = zeros(256);
for (let p = 1, q = 1, isFirst = true; isFirst || p !== 1; isFirst = false) {
  p ^= doubled(p);
  q ^= q << 1;
  q ^= q << 2;
  q = (q ^ (q << 4)) & 255;
  q ^= q & 0x80 ? 9 : 0;
  substitutes[p] = q ^ ((q << 1) | (q >> 7)) ^ ((q << 2) | (q >> 6)) ^ ((q << 3) | (q >> 5)) ^ ((q << 4) | (q >> 4)) ^ 0x63;
}
substitutes[0] = 0x63;

/** Return the keys of the rounds, one after the other. */
const expanded = (key) => {
  const length = bytesIn(key);
  const all = zeros(16 * (length / 4 + 7));
  for (let i = 0; i < length; i++) all[i] = key[i];
  let constant = 1;
  for (let at = length; at < bytesIn(all); at += 4) {
    let a = all[at - 4], b = all[at - 3], c = all[at - 2], d = all[at - 1];
    if (at % length === 0) {
      const first = substitutes[a];
      a = substitutes[b] ^ constant;
      b = substitutes[c];
      c = substitutes[d];
      d = first;
      constant = doubled(constant);
    } else if (length === 32 && at % length === 16) {
      a = substitutes[a];
      b = substitutes[b];
      c = substitutes[c];
      d = substitutes[d];
    }
    all[at] = all[at - length] ^ a;
    all[at + 1] = all[at - length + 1] ^ b;
    all[at + 2] = all[at - length + 2] ^ c;
    all[at + 3] = all[at - length + 3] ^ d;
  }
  return all;
};

const encryptedBlock = (keys, block) => {
  const last = bytesIn(keys) - 16;
  let state = zeros(16);
  for (let i = 0; i < 16; i++) state[i] = block[i] ^ keys[i];
  for (let at = 16; at <= last; at += 16) {
    const next = zeros(16);
    for (let i = 0; i < 16; i += 4) {
      const a = substitutes[state[i]], b = substitutes[state[(i + 5) & 15]];
      const c = substitutes[state[(i + 10) & 15]], d = substitutes[state[(i + 15) & 15]];
      if (at === last) {
        next[i] = a;
        next[i + 1] = b;
        next[i + 2] = c;
        next[i + 3] = d;
      } else {
        const all = a ^ b ^ c ^ d;
        next[i] = a ^ all ^ doubled(a ^ b);
        next[i + 1] = b ^ all ^ doubled(b ^ c);
        next[i + 2] = c ^ all ^ doubled(c ^ d);
        next[i + 3] = d ^ all ^ doubled(d ^ a);
      }
    }
    for (let i = 0; i < 16; i++) next[i] ^= keys[at + i];
    state = next;
  }
  return state;
};

const numberOf = (bytes, from, to) => {
  let number = 0n;
  for (let i = from; i < from + 16; i++) number = (number << 8n) | toBigInt(i < to ? bytes[i] : 0);
  return number;
};

/** Return the sum that GCM makes of a text and its length. */
const summed = (hashKey, text) => {
  const reduced = (number) => (number & 1n ? (number >> 1n) ^ (0xe1n << 120n) : number >> 1n);
  const products = []; // of the key and each four bits, and what the four bits that fall out come back as
  const returned = [];
  for (let i = 0; i < 16; i++) {
    let product = 0n, power = hashKey, fallen = toBigInt(i);
    for (let bit = 8; bit > 0; bit >>= 1) {
      if (i & bit) product ^= power;
      power = reduced(power);
      fallen = reduced(fallen);
    }
    products[i] = product;
    returned[i] = fallen;
  }
  let sum = 0n;
  const add = (number) => {
    let product = 0n;
    sum ^= number;
    for (let i = 0; i < 32; i++) {
      product = (product >> 4n) ^ returned[toNumber(product & 15n)] ^ products[toNumber(sum & 15n)];
      sum >>= 4n;
    }
    sum = product;
  };
  for (let at = 0; at < bytesIn(text); at += 16) add(numberOf(text, at, bytesIn(text)));
  add(toBigInt(8 * bytesIn(text)));
  return sum;
};

const counted = (nonce, count) => {
  const block = zeros(16);
  for (let i = 0; i < NONCE; i++) block[i] = nonce[i];
  for (let i = 0; i < 4; i++) block[15 - i] = count >>> (8 * i);
  return block;
};
const masked = (keys, nonce, text) => {
  const other = zeros(bytesIn(text));
  for (let at = 0, count = 2; at < bytesIn(text); at += 16, count++) {
    const mask = encryptedBlock(keys, counted(nonce, count));
    for (let i = 0; i < 16 && at + i < bytesIn(text); i++) other[at + i] = text[at + i] ^ mask[i];
  }
  return other;
};
const tagOf = (keys, nonce, text) => {
  let tag = summed(numberOf(encryptedBlock(keys, zeros(16)), 0, 16), text) ^ numberOf(encryptedBlock(keys, counted(nonce, 1)), 0, 16);
  const bytes = zeros(TAG);
  for (let i = TAG - 1; i >= 0; i--, tag >>= 8n) bytes[i] = toNumber(tag & 255n);
  return bytes;
};

const keysFrom = (key) => {
  const length = bytesIn(key);
  if (length !== 16 && length !== 24 && length !== 32) throw new TheTypeError("a key of AES has 16, 24 or 32 bytes");
  return expanded(key);
};

return {
  __proto__: null,
  encrypt: (text, key) => {
    const keys = keysFrom(key);
    const nonce = randomBytes(NONCE);
    const encrypted = masked(keys, nonce, text);
    return joined(nonce, encrypted, tagOf(keys, nonce, encrypted));
  },
  decrypt: (message, key) => {
    const keys = keysFrom(key);
    const end = bytesIn(message) - TAG;
    if (end < NONCE) throw new TheError("the message is too short to be encrypted");
    const nonce = slice(message, 0, NONCE);
    const encrypted = slice(message, NONCE, end);
    const tag = slice(message, end);
    if (!isEqual(tag, tagOf(keys, nonce, encrypted))) throw new TheError("the message was not encrypted with this key");
    return masked(keys, nonce, encrypted);
  },
};
