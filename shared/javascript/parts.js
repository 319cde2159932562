// Parts of the prelude that few functions need: each is a text until something of it is first used.

const { asUintN: asUint64 } = BigInt;
const { sin } = Math;
const [TheInts, TheWords] = [Int32Array, Uint32Array];

/** What a part is made of: what the prelude keeps as it was before any function ran. */
const tools = {
  __proto__: null,
  TheBytes, TheDate, TheError, TheInts, TheTypeError, TheWords,
  abs, asUint64, asked, base64Of, binaryForm, binaryOf, bytesIn, codeAt, create, cut, decodeBase64, defineProperty, decodeURL, encodeBase64, encodeURL,
  escaped, executed, find, floor, forEach, formOf, fromCode, hexOf, inBase, isArray, isInteger, isObject, keysOf, made, now, parsed,
  quoted, read, set, sin, then, toBigInt, toNumber, toText, unescaped, wellFormed, written,
  Binary,
  part: (name) => part(name),
  seed: () => objectIds.seed,
};

const evaluated = create(null);

/** Return what a part offers. */
const part = (name) => (evaluated[name] ??= evaluate(TEXTS[name])(tools));

set(world, "utils", {
  get crypto() { return part("utils").crypto; },
  get jwt() { return part("utils").jwt; },
});
