// Keys as PEM: RSA by PKCS#1, PKCS#8 and SPKI, elliptic curves by SEC 1, PKCS#8 and SPKI.

const { hexOf } = part("objectid");
const { bytesOf, slice } = part("crypto");
const RSA = "2a864886f70d010101";
const EC = "2a8648ce3d0201";
const CURVES = { __proto__: null, "2a8648ce3d030107": "P-256", "2b81040022": "P-384", "2b81040023": "P-521" };
const TAGS = { __proto__: null, integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, sequence: 0x30 };
const PEM = /^\s*-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s\\]+)-----END \1-----(\s|\\[nr])*$/;

const wrong = (why) => {
  throw new TheTypeError(`the key cannot be read: ${why}`);
};
const numberOf = (bytes) => {
  let number = 0n;
  for (let i = 0; i < bytesIn(bytes); i++) number = (number << 8n) | toBigInt(bytes[i]);
  return number;
};

/** Return what follows each other in bytes of DER: each a tag and its content. */
const elements = (bytes) => {
  const found = [];
  let at = 0;
  while (at < bytesIn(bytes)) {
    const tag = bytes[at++];
    let length = bytes[at++];
    if (length > 0x82 || length === 0x80) wrong("an element has no length");
    for (let more = length & 0x80 ? length & 0x7f : 0, k = 0; k < more; k++) length = (k ? length : 0) * 256 + bytes[at++];
    if (!(at + length <= bytesIn(bytes))) wrong("it is cut off");
    found[found.length] = { __proto__: null, tag, content: slice(bytes, at, at + length) };
    at += length;
  }
  return found;
};
const content = (element, tag) => (element?.tag === tag ? element.content : wrong("it has another form"));
const sequence = (bytes) => elements(content(elements(bytes)[0], TAGS.sequence));
const oidOf = (element) => {
  const bytes = content(element, TAGS.oid);
  let hex = "";
  for (let i = 0; i < bytesIn(bytes); i++) hex += hexOf(bytes[i], 2);
  return hex;
};
const integers = (list, from, to) => {
  const found = [];
  for (let i = from; i < to; i++) found[i - from] = numberOf(content(list[i], TAGS.integer));
  return found;
};

const rsaPublic = (bytes) => {
  const found = integers(sequence(bytes), 0, 2);
  return { __proto__: null, kind: "RSA", isPrivate: false, n: found[0], e: found[1] };
};
const rsaPrivate = (bytes) => {
  const found = integers(sequence(bytes), 1, 9);
  const exponents = { __proto__: null, e: found[1], dp: found[5], dq: found[6], inverse: found[7] };
  return { ...exponents, __proto__: null, kind: "RSA", isPrivate: true, n: found[0], p: found[3], q: found[4] };
};
const curveOf = (element) => CURVES[oidOf(element)] ?? wrong("its curve is none of P-256, P-384, P-521");
const ecPrivate = (bytes, curve) => {
  const list = sequence(bytes);
  let name = curve;
  for (let i = 2; i < list.length; i++) if (list[i].tag === 0xa0) name ??= curveOf(elements(list[i].content)[0]);
  if (name === undefined) wrong("it names no curve");
  return { __proto__: null, kind: name, isPrivate: true, d: numberOf(content(list[1], TAGS.octets)) };
};
const ecPublic = (point, kind) => {
  const half = (bytesIn(point) - 1) / 2;
  if (point[0] !== 4 || half % 1) wrong("its point is compressed");
  return { __proto__: null, kind, isPrivate: false, x: numberOf(slice(point, 1, half + 1)), y: numberOf(slice(point, half + 1)) };
};
const spki = (bytes) => {
  const list = sequence(bytes);
  const algorithm = elements(content(list[0], TAGS.sequence));
  const key = slice(content(list[1], TAGS.bits), 1);
  const oid = oidOf(algorithm[0]);
  if (oid === RSA) return rsaPublic(key);
  return oid === EC ? ecPublic(key, curveOf(algorithm[1])) : wrong("it is of no algorithm that is served here");
};
const pkcs8 = (bytes) => {
  const list = sequence(bytes);
  const algorithm = elements(content(list[1], TAGS.sequence));
  const key = content(list[2], TAGS.octets);
  const oid = oidOf(algorithm[0]);
  if (oid === RSA) return rsaPrivate(key);
  return oid === EC ? ecPrivate(key, curveOf(algorithm[1])) : wrong("it is of no algorithm that is served here");
};
const KINDS = {
  __proto__: null,
  "EC PRIVATE KEY": (bytes) => ecPrivate(bytes, undefined),
  "PRIVATE KEY": pkcs8,
  "PUBLIC KEY": spki,
  "RSA PRIVATE KEY": rsaPrivate,
  "RSA PUBLIC KEY": rsaPublic,
};

/** Tell whether a text is meant to be a key, which then is no secret of an HMAC. */
const isPem = (text) => find(text, "-----BEGIN ") >= 0;

const keyFrom = (pem) => {
  const found = typeof pem === "string" ? executed(PEM, pem) : null;
  if (found === null) wrong("it is no PEM");
  const reading = KINDS[found[1]] ?? wrong("it is none of PKCS#1, PKCS#8, SEC 1 and SPKI");
  let base64 = "";
  for (let i = 0; i < found[2].length; i++) { // a secret in one line has "\n" for its ends of lines
    const isEscape = found[2][i] === "\\";
    if (isEscape) i++;
    else if (executed(/\s/, found[2][i]) === null) base64 += found[2][i];
  }
  return reading(bytesOf(decodeBase64(base64)));
};

return { isPem, keyFrom, numberOf };
