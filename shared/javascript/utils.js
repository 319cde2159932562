// What functions have of cryptography: utils.crypto and utils.jwt.

const { formOf } = part("forms");
const { bytesForm } = part("bson");
const { binaryOf, hexOf } = part("objectid");
const { bytesOf, hash, hmac, isEqual, utf8 } = part("crypto");

const wrong = (why) => {
  throw new TheTypeError(why);
};
/** Return the bytes of a text or a Binary. */
const given = (value, name) => {
  if (typeof value === "string") return utf8(value);
  if (value instanceof TheBytes) return value;
  const form = isObject(value) ? formOf(value) : undefined;
  return form !== undefined && find(form, '{"$binary":') === 0 ? bytesOf(decodeBase64(parsed(form).$binary.base64))
    : wrong(`'${name}' must be a string or a BSON.Binary`);
};
const base64 = (bytes) => encodeBase64(binaryOf(bytes));
const binary = (bytes) => meant(bytesForm(bytes));
const one = (value, names, name) => {
  for (let i = 0; i < names.length; i++) if (names[i] === value) return value;
  return wrong(`'${name}' must be one of ${quoted(names)}, and is ${cut(toText(value), 0, 100)}`);
};

const rsaKey = (pem, isPrivate) => {
  const key = part("keys").keyFrom(pem);
  if (key.kind !== "RSA") wrong("the key is not one of RSA");
  return key.isPrivate || !isPrivate ? key : wrong("signing takes a private key");
};
const crypto = {
  hash: (name, input) => binary(hash(one(name, ["md5", "sha1", "sha256", "sha512"], "hash function"), given(input, "input"))),
  hmac(input, secret, name, format) {
    one(name, ["sha1", "sha256", "sha512"], "hash function");
    one(format, ["hex", "base64"], "output format");
    const bytes = hmac(name, given(secret, "secret"), given(input, "input"));
    if (format === "base64") return base64(bytes);
    let hex = "";
    for (let i = 0; i < bytesIn(bytes); i++) hex += hexOf(bytes[i], 2);
    return hex;
  },
  encrypt(type, message, key) {
    one(type, ["aes"], "encryption type");
    return binary(part("aes").encrypt(given(message, "message"), given(key, "key")));
  },
  decrypt(type, message, key) {
    one(type, ["aes"], "encryption type");
    return binary(part("aes").decrypt(given(message, "message"), given(key, "key")));
  },
  sign(type, message, privateKey, scheme = "pss") {
    one(type, ["rsa"], "encryption type");
    one(scheme, ["pss", "pkcs1v15"], "signature scheme");
    return binary(part("signatures").signRsa(rsaKey(privateKey, true), "sha256", scheme, given(message, "message")));
  },
  verify(type, message, publicKey, signature, scheme = "pss") {
    one(type, ["rsa"], "encryption type");
    one(scheme, ["pss", "pkcs1v15"], "signature scheme");
    const bytes = given(signature, "signature");
    return part("signatures").verifyRsa(rsaKey(publicKey, false), "sha256", scheme, given(message, "message"), bytes);
  },
};

// JSON Web Tokens

/** The algorithms: how each signs, and with keys of which kind. There is none that is not signed. */
const ALGORITHMS = create(null);
forEach([["256", "P-256"], ["384", "P-384"], ["512", "P-521"]], (each) => {
  const bits = each[0];
  const algorithm = (kind, scheme) => ({ __proto__: null, hash: `sha${bits}`, kind, scheme });
  ALGORITHMS[`HS${bits}`] = algorithm("secret", "hmac");
  ALGORITHMS[`RS${bits}`] = algorithm("RSA", "pkcs1v15");
  ALGORITHMS[`PS${bits}`] = algorithm("RSA", "pss");
  ALGORITHMS[`ES${bits}`] = algorithm(each[1], "ecdsa");
});

const urlForm = (bytes) => {
  const text = base64(bytes);
  let safe = "";
  for (let i = 0; i < text.length && text[i] !== "="; i++) safe += text[i] === "+" ? "-" : text[i] === "/" ? "_" : text[i];
  return safe;
};
const invalid = (why) => {
  throw new TheError(`the token is not valid: ${why}`);
};
const bytesOfUrlForm = (text) => {
  let plain = "";
  for (let i = 0; i < text.length; i++) plain += text[i] === "-" ? "+" : text[i] === "_" ? "/" : text[i];
  let bytes;
  try {
    bytes = bytesOf(decodeBase64(plain));
  } catch {
    // it is none
  }
  return bytes !== undefined && urlForm(bytes) === text ? bytes : invalid("a part of it is not base64url");
};
const objectIn = (text) => {
  let value;
  try {
    value = parsed(decodeURL(escaped(binaryOf(bytesOfUrlForm(text)))));
  } catch {
    // it is none
  }
  return isObject(value) && !isArray(value) ? value : invalid("a part of it is no JSON object in base64url");
};

/** Return the kind of key that a text is: a PEM is no secret, or a public key would sign what it is to verify. */
const keyOf = (key) => {
  if (typeof key !== "string" || key === "") return wrong("the key of a token must be a string that is not empty");
  return part("keys").isPem(key) ? part("keys").keyFrom(key) : { __proto__: null, kind: "secret", bytes: utf8(key) };
};
const algorithmOf = (name) => (typeof name === "string" ? ALGORITHMS[name] : undefined);

const signed = (key, algorithm, message) => {
  if (key.kind === "secret") return hmac(algorithm.hash, key.bytes, message);
  if (!key.isPrivate) return wrong("signing takes a private key");
  const { signEc, signRsa } = part("signatures");
  return algorithm.scheme === "ecdsa" ? signEc(key, algorithm.hash, message) : signRsa(key, algorithm.hash, algorithm.scheme, message);
};
const isSigned = (key, algorithm, message, signature) => {
  if (key.kind === "secret") return isEqual(hmac(algorithm.hash, key.bytes, message), signature);
  const { verifyEc, verifyRsa } = part("signatures");
  return algorithm.scheme === "ecdsa" ? verifyEc(key, algorithm.hash, message, signature)
    : verifyRsa(key, algorithm.hash, algorithm.scheme, message, signature);
};

const refuseUntimely = ({ exp, nbf }) => {
  const seconds = now() / 1000;
  if (exp !== undefined && !(toNumber(exp) > seconds)) invalid("it has expired");
  if (nbf !== undefined && !(toNumber(nbf) <= seconds)) invalid("it is not valid yet");
};

const jwt = {
  encode(name, payload, secret, extraHeader) {
    const algorithm = algorithmOf(name) ?? wrong(`'${cut(toText(name), 0, 100)}' is no algorithm of tokens that is served here`);
    if (!isObject(payload) || isArray(payload)) wrong("the payload of a token must be an object");
    const key = keyOf(secret);
    if (key.kind !== algorithm.kind) wrong(`${name} does not sign with a key of this kind`);
    const header = { __proto__: null, alg: name, typ: "JWT" };
    if (isObject(extraHeader)) forEach(keysOf(extraHeader), (each) => (header[each] = extraHeader[each]));
    header.alg = name;
    const message = `${urlForm(utf8(quoted(header)))}.${urlForm(utf8(quoted(payload)))}`;
    return `${message}.${urlForm(signed(key, algorithm, utf8(message)))}`;
  },
  decode(token, secret, returnHeader = false, acceptedAlgorithms) {
    if (typeof token !== "string") wrong("a token must be a string");
    const key = keyOf(secret);
    const first = find(token, ".");
    const second = find(token, ".", first + 1);
    if (first < 0 || second < 0 || find(token, ".", second + 1) >= 0) invalid("it has not three parts");
    const header = objectIn(cut(token, 0, first));
    const algorithm = algorithmOf(header.alg);
    if (algorithm === undefined || algorithm.kind !== key.kind) invalid("its algorithm is not one of this key");
    if (acceptedAlgorithms !== undefined && acceptedAlgorithms !== null) {
      let isAccepted = false;
      if (!isArray(acceptedAlgorithms)) wrong("the accepted algorithms must be an array");
      for (let i = 0; i < acceptedAlgorithms.length; i++) isAccepted ||= acceptedAlgorithms[i] === header.alg;
      if (!isAccepted) invalid("its algorithm is not accepted");
    }
    if (header.crit !== undefined) invalid("its header asks for what is not done");
    const signature = bytesOfUrlForm(cut(token, second + 1));
    if (!isSigned(key, algorithm, utf8(cut(token, 0, second)), signature)) invalid("its signature is wrong");
    const payload = objectIn(cut(token, first + 1, second));
    refuseUntimely(payload);
    return returnHeader ? { header, payload } : payload;
  },
};

return { utils: { crypto, jwt } };
