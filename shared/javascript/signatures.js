// Signatures with RSA (PKCS#1 v1.5 and PSS) and on elliptic curves (ECDSA).

const { bytesOf, hash, hmac, isEqual, joined, randomBytes, slice, zeros } = part("crypto");
const { numberOf } = part("keys");
const LEAST = 1024; // bits of a modulus
const MOST = 8192;
const SIZES = { __proto__: null, sha256: 32, sha384: 48, sha512: 64 };
const PREFIX = [0x30, 0, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0, 0x05, 0x00, 0x04, 0];
const OF_HASH = { __proto__: null, sha256: 1, sha384: 2, sha512: 3 };

const bytesOfNumber = (number, length) => {
  const bytes = zeros(length);
  let rest = number;
  for (let i = length - 1; i >= 0; i--, rest >>= 8n) bytes[i] = toNumber(rest & 255n);
  return bytes;
};
const bitsOf = (number) => {
  let bits = 0;
  for (let rest = number; rest > 0n; rest >>= 32n) bits += rest >> 32n ? 32 : inBase(toNumber(rest), 2).length;
  return bits;
};
const power = (base, exponent, modulus) => {
  let result = 1n;
  let square = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
};
const residue = (number, modulus) => ((number % modulus) + modulus) % modulus;
const inverse = (number, modulus) => {
  let a = residue(number, modulus), b = modulus, x = 1n, y = 0n;
  while (a > 1n) {
    const times = b / a;
    const rest = b - times * a;
    const next = y - times * x;
    b = a;
    a = rest;
    y = x;
    x = next;
  }
  return residue(x, modulus);
};

// RSA

const sizeOf = (key) => {
  const bits = bitsOf(key.n);
  if (bits < LEAST || bits > MOST) throw new TheTypeError(`a key of RSA has ${LEAST} to ${MOST} bits`);
  if (key.e < 3n || key.e >= 1n << 64n || !(key.e & 1n) || !(key.n & 1n)) throw new TheTypeError("the key cannot be one of RSA");
  return bits;
};
const raised = (key, message) => {
  if (!(key.p > 1n && key.q > 1n)) throw new TheTypeError("the key cannot be one of RSA");
  const p = power(message, key.dp, key.p);
  const q = power(message, key.dq, key.q);
  const signature = q + residue((p - q) * key.inverse, key.p) * key.q;
  if (power(signature, key.e, key.n) !== message) throw new TheTypeError("the key cannot be one of RSA"); // nor tells of itself
  return signature;
};

const filled = (algorithm, message, length) => {
  const prefix = zeros(19);
  for (let i = 0; i < 19; i++) prefix[i] = PREFIX[i];
  prefix[1] = 17 + SIZES[algorithm];
  prefix[14] = OF_HASH[algorithm];
  prefix[18] = SIZES[algorithm];
  const digest = joined(prefix, hash(algorithm, message));
  const before = zeros(length - bytesIn(digest));
  for (let i = 2; i < bytesIn(before) - 1; i++) before[i] = 0xff;
  before[1] = 1;
  return joined(before, digest);
};

const maskOf = (algorithm, seed, length) => {
  let mask = zeros(0);
  for (let i = 0; bytesIn(mask) < length; i++) mask = joined(mask, hash(algorithm, joined(seed, bytesOfNumber(toBigInt(i), 4))));
  return slice(mask, 0, length);
};
const salted = (algorithm, message, bits, salt) => {
  const size = SIZES[algorithm];
  const length = floor((bits + 7) / 8);
  const digest = hash(algorithm, joined(zeros(8), hash(algorithm, message), salt));
  const block = zeros(length - size - 1);
  if (bytesIn(block) < bytesIn(salt) + 1) throw new TheTypeError("the key is too short for the hash");
  block[bytesIn(block) - bytesIn(salt) - 1] = 1;
  for (let i = 0; i < bytesIn(salt); i++) block[bytesIn(block) - bytesIn(salt) + i] = salt[i];
  const mask = maskOf(algorithm, digest, bytesIn(block));
  for (let i = 0; i < bytesIn(block); i++) block[i] ^= mask[i];
  block[0] &= 0xff >> (8 * length - bits);
  const end = zeros(1);
  end[0] = 0xbc;
  return joined(block, digest, end);
};
/** Return the salt that a message was given, whatever its length; what is wrong elsewhere shows when it is used. */
const saltIn = (algorithm, encoded, bits) => {
  const end = bytesIn(encoded) - SIZES[algorithm] - 1;
  if (end < 1) return undefined;
  const block = slice(encoded, 0, end);
  const mask = maskOf(algorithm, slice(encoded, end, bytesIn(encoded) - 1), end);
  for (let i = 0; i < end; i++) block[i] ^= mask[i];
  block[0] &= 0xff >> (8 * bytesIn(encoded) - bits);
  let at = 0;
  while (at < end && block[at] === 0) at++;
  return at < end && block[at] === 1 ? slice(block, at + 1) : undefined;
};

const signRsa = (key, algorithm, scheme, message) => {
  const bits = sizeOf(key);
  const length = floor((bits + 7) / 8);
  const isSalted = scheme === "pss";
  const encoded = isSalted ? salted(algorithm, message, bits - 1, randomBytes(SIZES[algorithm])) : filled(algorithm, message, length);
  return bytesOfNumber(raised(key, numberOf(encoded)), length);
};
const verifyRsa = (key, algorithm, scheme, message, signature) => {
  const bits = sizeOf(key);
  const length = floor((bits + 7) / 8);
  const number = numberOf(signature);
  if (bytesIn(signature) !== length || number >= key.n) return false;
  const opened = power(number, key.e, key.n);
  if (scheme !== "pss") return isEqual(bytesOfNumber(opened, length), filled(algorithm, message, length));
  const size = floor((bits + 6) / 8);
  if (opened >> toBigInt(8 * size)) return false;
  const encoded = bytesOfNumber(opened, size);
  const salt = saltIn(algorithm, encoded, bits - 1);
  return salt !== undefined && isEqual(encoded, salted(algorithm, message, bits - 1, salt));
};

// ECDSA

const curve = (bits, p, n, b, x, y) => ({ __proto__: null, length: floor((bits + 7) / 8), bits, p, n, b, x, y });
const CURVES = {
  __proto__: null,
  "P-256": curve(
    256,
    2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
    0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
  ),
  "P-384": curve(
    384,
    2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n,
    0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn,
  ),
  "P-521": curve(
    521,
    2n ** 521n - 1n,
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    0xc6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66n,
    0x11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650n,
  ),
};

// A point of x, y, z is (x / z², y / z³); z is zero for the one at infinity.
const pointOf = (x, y, z) => ({ __proto__: null, x, y, z });
const INFINITE = pointOf(1n, 1n, 0n);
const twice = (point, p) => {
  const { x, y, z } = point;
  const ySquare = (y * y) % p;
  const s = (4n * x * ySquare) % p;
  const zSquare = (z * z) % p;
  const m = (3n * (x - zSquare) * (x + zSquare)) % p;
  const newX = residue(m * m - 2n * s, p);
  return pointOf(newX, residue(m * (s - newX) - 8n * ySquare * ySquare, p), (2n * y * z) % p);
};
const plus = (first, second, p) => {
  if (first.z === 0n) return second;
  if (second.z === 0n) return first;
  const { x: x1, y: y1, z: z1 } = first;
  const { x: x2, y: y2, z: z2 } = second;
  const square1 = (z1 * z1) % p;
  const square2 = (z2 * z2) % p;
  const u = (x1 * square2) % p;
  const h = residue(x2 * square1 - u, p);
  const s = (y1 * z2 * square2) % p;
  const r = residue(y2 * z1 * square1 - s, p);
  if (h === 0n) return r === 0n ? twice(first, p) : INFINITE;
  const hSquare = (h * h) % p;
  const cube = (h * hSquare) % p;
  const v = (u * hSquare) % p;
  const x = residue(r * r - cube - 2n * v, p);
  return pointOf(x, residue(r * (v - x) - s * cube, p), (h * z1 * z2) % p);
};
const times = (point, number, p) => {
  let sum = INFINITE;
  let power2 = point;
  for (let rest = number; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = plus(sum, power2, p);
    power2 = twice(power2, p);
  }
  return sum;
};
const xOf = (point, p) => {
  const by = inverse(point.z, p);
  return (point.x * by * by) % p;
};
const shortened = (digest, { bits }) => {
  const excess = 8 * bytesIn(digest) - bits;
  return excess > 0 ? numberOf(digest) >> toBigInt(excess) : numberOf(digest);
};

/** Give the numbers that RFC 6979 derives from a key and a message: none can be guessed, none comes twice. */
const secretOf = (key, of, algorithm, digest) => {
  const known = joined(bytesOfNumber(key.d, of.length), bytesOfNumber(shortened(digest, of) % of.n, of.length));
  const one = (byte) => bytesOfNumber(byte, 1);
  let value = zeros(SIZES[algorithm]);
  for (let i = 0; i < bytesIn(value); i++) value[i] = 1;
  let secret = zeros(SIZES[algorithm]);
  const stir = (end) => {
    secret = hmac(algorithm, secret, joined(value, end));
    value = hmac(algorithm, secret, value);
  };
  stir(joined(one(0n), known));
  stir(joined(one(1n), known));
  return () => {
    for (;;) {
      let drawn = zeros(0);
      while (bytesIn(drawn) < of.length) {
        value = hmac(algorithm, secret, value);
        drawn = joined(drawn, value);
      }
      const number = shortened(slice(drawn, 0, of.length), of);
      stir(one(0n));
      if (number > 0n && number < of.n) return number;
    }
  };
};

const signEc = (key, algorithm, message) => {
  const of = CURVES[key.kind];
  if (!(key.d > 0n && key.d < of.n)) throw new TheTypeError("the key cannot be one of its curve");
  const digest = hash(algorithm, message);
  const draw = secretOf(key, of, algorithm, digest);
  for (;;) {
    const k = draw();
    const r = xOf(times(pointOf(of.x, of.y, 1n), k, of.p), of.p) % of.n;
    const s = (inverse(k, of.n) * (shortened(digest, of) + r * key.d)) % of.n;
    if (r > 0n && s > 0n) return joined(bytesOfNumber(r, of.length), bytesOfNumber(s, of.length));
  }
};
const verifyEc = (key, algorithm, message, signature) => {
  const of = CURVES[key.kind];
  const { p, n } = of;
  if (key.isPrivate || !(key.x < p && key.y < p) || residue(key.y ** 2n - key.x ** 3n + 3n * key.x - of.b, p) !== 0n) {
    throw new TheTypeError("the key cannot be a public one of its curve");
  }
  if (bytesIn(signature) !== 2 * of.length) return false;
  const r = numberOf(slice(signature, 0, of.length));
  const s = numberOf(slice(signature, of.length));
  if (r === 0n || s === 0n || r >= n || s >= n) return false;
  const by = inverse(s, n);
  const number = shortened(hash(algorithm, message), of);
  const sum = plus(times(pointOf(of.x, of.y, 1n), (number * by) % n, p), times(pointOf(key.x, key.y, 1n), (r * by) % n, p), p);
  return sum.z !== 0n && xOf(sum, p) % n === r;
};

return { signEc, signRsa, verifyEc, verifyRsa };
