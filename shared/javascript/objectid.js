// Ids of documents.

const { formOf, inside, typed } = part("forms");

const hexOf = (number, digits) => padded(inBase(number, 16), digits, "0");
const isHex = (text) => typeof text === "string" && executed(/^([0-9a-fA-F]{2})*$/, text) !== null;

/** Return the text of which each character is a byte. */
const binaryOf = (bytes) => {
  let text = "";
  for (let i = 0; i < bytesIn(bytes); i++) text += fromCode(bytes[i]);
  return text;
};
const binaryOfHex = (hex) => {
  let text = "";
  for (let i = 0; i < hex.length; i += 2) text += fromCode(toNumber("0x" + cut(hex, i, i + 2)));
  return text;
};
const hexOfBinary = (text) => {
  let hex = "";
  for (let i = 0; i < text.length; i++) hex += hexOf(codeAt(text, i), 2);
  return hex;
};
const lowerHex = (hex) => hexOfBinary(binaryOfHex(hex));

const { prefix, count } = origins();
let counted = toNumber("0x" + count);
const ObjectId = typed(
  "ObjectId",
  (id) => {
    if (id === undefined || id === null) {
      counted = (counted + 1) % 2 ** 24;
      return `{"$oid":"${hexOf(floor(now() / 1000), 8)}${prefix}${hexOf(counted, 6)}"}`;
    }
    if (isObject(id) && formOf(id) !== undefined && id instanceof ObjectId) return formOf(id);
    const hex = id instanceof TheBytes ? hexOfBinary(binaryOf(id)) : id;
    if (!isHex(hex) || hex.length !== 24) throw new TheTypeError("an ObjectId is made of 24 hexadecimal digits");
    return `{"$oid":"${lowerHex(hex)}"}`;
  },
  {
    toString() { return inside(formOf(this), 9, 2); },
    toHexString() { return inside(formOf(this), 9, 2); },
    toJSON() { return inside(formOf(this), 9, 2); },
    getTimestamp() { return new TheDate(toNumber("0x" + cut(formOf(this), 9, 17)) * 1000); },
    equals(other) {
      return (isObject(other) && formOf(other) === formOf(this)) || other === inside(formOf(this), 9, 2);
    },
  },
);

return { ObjectId, binaryOf, binaryOfHex, hexOf, hexOfBinary, isHex };
