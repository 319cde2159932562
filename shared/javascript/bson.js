// The types of BSON as functions see them.

const { doubleForm, formOf, inside, long, made, typed } = part("forms");
const { ObjectId, binaryOf, binaryOfHex, hexOf, hexOfBinary, isHex } = part("objectid");

const binaryForm = (base64, subtype) => `{"$binary":{"base64":${quoted(base64)},"subType":"${hexOf(subtype, 2)}"}}`;
const base64Of = (binary) => parsed(formOf(binary)).$binary.base64;
const Binary = typed(
  "Binary",
  (bytes, subtype = 0) => {
    if (!(bytes instanceof TheBytes)) throw new TheTypeError("a Binary is made of a Uint8Array");
    return binaryForm(encodeBase64(binaryOf(bytes)), subtype);
  },
  {
    toHex() { return hexOfBinary(decodeBase64(base64Of(this))); },
    toBase64() { return base64Of(this); },
    text() {
      const binary = decodeBase64(base64Of(this));
      try {
        return decodeURL(escaped(binary));
      } catch {
        return binary;
      }
    },
    toString() { return this.text(); },
    toJSON() { return base64Of(this); },
    length() { return decodeBase64(base64Of(this)).length; },
  },
);
set(Binary, "fromHex", (hex, subtype = 0) => {
  if (!isHex(hex)) throw new TheTypeError("not hexadecimal");
  return made(Binary, binaryForm(encodeBase64(binaryOfHex(hex)), subtype));
});
set(Binary, "fromBase64", (base64, subtype = 0) => {
  if (base64.length % 4) throw new TheTypeError("base64 is padded with '='");
  return made(Binary, binaryForm(encodeBase64(decodeBase64(base64)), subtype));
});
set(Binary, "fromText", (text) => made(Binary, binaryForm(encodeBase64(unescaped(encodeURL(text))), 0)));

const number = (form) => toNumber(cut(form, find(form, ":") + 2, form.length - 2));
const numeric = {
  toString() { return inside(formOf(this), find(formOf(this), ":") + 2, 2); },
  toJSON() { return number(formOf(this)); },
  toNumber() { return number(formOf(this)); },
  valueOf() { return number(formOf(this)); },
};
const Long = typed("Long", (low = 0, high = 0) => long(toBigInt(high) * 2n ** 32n + toBigInt(low >>> 0)), numeric);
set(Long, "fromString", (digits) => made(Long, long(digits)));
set(Long, "fromNumber", (given) => made(Long, long(given)));
const Int32 = typed("Int32", (given = 0) => `{"$numberInt":"${toNumber(given) | 0}"}`, numeric);
const Double = typed("Double", (given = 0) => doubleForm(toNumber(given)), numeric);

const DECIMAL = /^[+-]?(inf(inity)?|nan|([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?)$/i;
const decimal = (text) => {
  if (typeof text !== "string" || executed(DECIMAL, text) === null) throw new TheTypeError("not a decimal number");
  return `{"$numberDecimal":${quoted(text)}}`;
};
const Decimal128 = typed("Decimal128", decimal, {
  toString() { return inside(formOf(this), 19, 2); },
  toJSON() { return { $numberDecimal: inside(formOf(this), 19, 2) }; },
});
set(Decimal128, "fromString", (text) => made(Decimal128, decimal(text)));

const Timestamp = typed("Timestamp", (low = 0, high = 0) => `{"$timestamp":{"t":${high >>> 0},"i":${low >>> 0}}}`, {
  toString() { return formOf(this); },
  toJSON() { return parsed(formOf(this)); },
});
set(Timestamp.prototype, "getHighBits", function () { return parsed(formOf(this)).$timestamp.t; });
set(Timestamp.prototype, "getLowBits", function () { return parsed(formOf(this)).$timestamp.i; });

const FLAGS = "ilmsux";
const regexForm = (pattern, flags) => {
  let options = "";
  for (let i = 0; i < FLAGS.length; i++) if (find(flags, FLAGS[i]) >= 0) options += FLAGS[i];
  return `{"$regularExpression":{"pattern":${quoted(pattern)},"options":"${options}"}}`;
};
const BSONRegExp = typed("BSONRegExp", (pattern, flags = "") => regexForm(toText(pattern), toText(flags)), {
  toString() { return formOf(this); },
  toJSON() { return parsed(formOf(this)); },
});

/** The types that functions are given and pass on: JavaScript has no use for what is in them. */
const Other = typed("BSONValue", () => { throw new TheTypeError("such a value cannot be made"); }, {
  toString() { return formOf(this); },
  toJSON() { return parsed(formOf(this)); },
});
const MinKey = typed("MinKey", () => '{"$minKey":1}', { toString() { return "MinKey"; } });
const MaxKey = typed("MaxKey", () => '{"$maxKey":1}', { toString() { return "MaxKey"; } });

const bytesForm = (bytes) => binaryForm(encodeBase64(binaryOf(bytes)), 0);
const BSON = {
  Binary, BSONRegExp, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, ObjectID: ObjectId, Timestamp,
};

return { BSON, Other, bytesForm, regexForm };
