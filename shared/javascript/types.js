// The types of BSON as functions see them, and their canonical Extended JSON.
//
// A function may replace what others rely on, such as Array.prototype.push. What is used here is kept as it was before.

const { stringify: quoted, parse: parsed } = JSON; // of texts only: of objects, it would ask what may be replaced
const { apply, construct, deleteProperty } = Reflect;
const { create, defineProperty, freeze, getOwnPropertyDescriptor, getOwnPropertyNames, is: isSame, keys: keysOf } = Object;
const { isArray } = Array;
const { isError } = Error;
const { isInteger } = Number;
const { asyncIterator } = Symbol;
const { abs, floor, random } = Math;
const { now } = Date;
const [toText, toNumber, toBigInt, asInt64] = [String, Number, BigInt, BigInt.asIntN];
const [TheArray, TheBytes, TheDate, TheError, ThePromise, TheRegExp, TheTypeError, TheWeakMap] = [
  Array, Uint8Array, Date, Error, Promise, RegExp, TypeError, WeakMap,
];
const [decodeBase64, encodeBase64, decodeURL, encodeURL, escaped, unescaped] = [
  atob, btoa, decodeURIComponent, encodeURIComponent, escape, unescape,
];

const uncurried = (method) => (self, ...args) => apply(method, self, args);
const ofText = (name) => uncurried(String.prototype[name]);
const [cut, find, codeAt, repeated, padded] = ["substring", "indexOf", "charCodeAt", "repeat", "padStart"].map(ofText);
const fromCode = String.fromCharCode;
const inBase = uncurried(Number.prototype.toString);
const [timeOf, isoOf] = [uncurried(Date.prototype.getTime), uncurried(Date.prototype.toISOString)];
const [kept, keep] = [uncurried(WeakMap.prototype.get), uncurried(WeakMap.prototype.set)];
const getter = (prototype, name) => uncurried(getOwnPropertyDescriptor(prototype, name).get);
const [sourceOf, flagsOf] = [getter(RegExp.prototype, "source"), getter(RegExp.prototype, "flags")];
const executed = uncurried(RegExp.prototype.exec);
const bytesIn = getter(Object.getPrototypeOf(Uint8Array.prototype), "length");

const MOST_LEVELS = 100;
const SAFE = 2 ** 53;

/** Return the Extended JSON of a value of a type that JavaScript has not, undefined for all else. */
let formOf;

/** Such a value. It is what its Extended JSON says, whatever is done to it. */
class Value {
  #form;
  constructor(form) {
    this.#form = form;
  }
  static {
    formOf = (value) => (#form in value ? value.#form : undefined);
  }
}

/** What numbers were when they were read, by the object that they are members of: the double 1 is no int32. */
const numbers = new TheWeakMap();

const isObject = (value) => typeof value === "object" && value !== null;
const inside = (form, before, after) => cut(form, before, form.length - after);
const set = (target, name, value) => defineProperty(target, name, { value, writable: true, configurable: true });

/** Do something with each of a list, whose iterator may be another by now. */
const forEach = (list, callback) => {
  for (let i = 0; i < list.length; i++) callback(list[i]);
};

/** Return a type that is called with new or without. `form` returns the Extended JSON of its arguments. */
const typed = (name, form, methods) => {
  const type = function (...args) {
    return construct(Value, [apply(form, undefined, args)], type);
  };
  defineProperty(type, "name", { value: name });
  set(type.prototype, "equals", function (other) {
    return isObject(other) && formOf(other) === formOf(this);
  });
  for (const method of keysOf(methods)) set(type.prototype, method, methods[method]);
  return type;
};
const made = (type, form) => construct(Value, [form], type);

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

let objectIds = { prefix: "0000000000", count: 0 };
const ObjectId = typed(
  "ObjectId",
  (id) => {
    if (id === undefined || id === null) {
      objectIds.count = (objectIds.count + 1) % 2 ** 24;
      return `{"$oid":"${hexOf(floor(now() / 1000), 8)}${objectIds.prefix}${hexOf(objectIds.count, 6)}"}`;
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

const long = (digits) => `{"$numberLong":"${asInt64(64, toBigInt(digits))}"}`;
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

const doubleForm = (value) => {
  if (isSame(value, -0)) return '{"$numberDouble":"-0.0"}';
  return `{"$numberDouble":"${value}${isInteger(value) && abs(value) < 1e21 ? ".0" : ""}"}`;
};
const numberForm = (value) => {
  if (!isInteger(value) || abs(value) > SAFE || isSame(value, -0)) return doubleForm(value);
  return (value | 0) === value ? `{"$numberInt":"${value}"}` : `{"$numberLong":"${value}"}`;
};
const dateForm = (milliseconds) => `{"$date":{"$numberLong":"${milliseconds}"}}`;

/** Return canonical Extended JSON of a value; `exact` refuses undefined, which in a query would find something else. */
const written = (value, exact = false, levels = MOST_LEVELS) => {
  switch (typeof value) {
    case "string": return quoted(value);
    case "number": return numberForm(value);
    case "boolean": return value ? "true" : "false";
    case "bigint": return long(value);
    case "object": return value === null ? "null" : objectForm(value, exact, levels);
  }
  if (value === MinKey) return '{"$minKey":1}';
  if (value === MaxKey) return '{"$maxKey":1}';
  if (exact) throw new TheTypeError("(BadValue) cannot compare to undefined");
  return '{"$undefined":true}';
};

const objectForm = (value, exact, levels) => {
  const form = formOf(value);
  if (form !== undefined) return form;
  if (levels === 0) throw new TheTypeError(`a value is nested deeper than ${MOST_LEVELS} levels, or in a circle`);
  if (value instanceof TheDate) return isInteger(timeOf(value)) ? dateForm(timeOf(value)) : "null";
  if (value instanceof TheRegExp) return regexForm(sourceOf(value), flagsOf(value));
  if (value instanceof TheBytes) return binaryForm(encodeBase64(binaryOf(value)), 0);
  const before = kept(numbers, value);
  const member = (name) => {
    const each = value[name];
    if (before !== undefined && before[name] !== undefined && isSame(before[name].value, each)) return before[name].form;
    return written(each, exact, levels - 1);
  };
  let text = "";
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) text += (i ? "," : "") + member(i);
    return `[${text}]`;
  }
  const names = keysOf(value);
  for (let i = 0; i < names.length; i++) text += `${i ? "," : ""}${quoted(names[i])}:${member(names[i])}`;
  return `{${text}}`;
};

/** Return parsed JSON as the text that it was. */
const rewritten = (value) => {
  if (typeof value === "string") return quoted(value);
  if (!isObject(value)) return `${value}`;
  let text = "";
  const names = keysOf(value);
  for (let i = 0; i < names.length; i++) {
    text += (i ? "," : "") + (isArray(value) ? "" : `${quoted(names[i])}:`) + rewritten(value[names[i]]);
  }
  return isArray(value) ? `[${text}]` : `{${text}}`;
};

const readDate = (operand) => {
  const milliseconds = isObject(operand) ? toNumber(operand.$numberLong) : operand;
  const date = new TheDate(milliseconds);
  return isInteger(timeOf(date)) ? date : made(Other, rewritten({ __proto__: null, $date: operand }));
};
const readLong = (digits) => {
  const value = toNumber(digits);
  return abs(value) < SAFE ? value : made(Long, `{"$numberLong":"${digits}"}`);
};
const kind = (type) => (_operand, whole) => made(type, rewritten(whole));

/** What the wrappers of Extended JSON are to functions, by the first of their names. */
const WRAPPERS = {
  __proto__: null,
  $binary: kind(Binary),
  $code: kind(Other),
  $date: readDate,
  $dbPointer: kind(Other),
  $maxKey: kind(MaxKey),
  $minKey: kind(MinKey),
  $numberDecimal: kind(Decimal128),
  $numberDouble: (digits) => (digits === "-Infinity" ? -Infinity : digits === "Infinity" ? Infinity : toNumber(digits)),
  $numberInt: toNumber,
  $numberLong: readLong,
  $oid: kind(ObjectId),
  $regularExpression: kind(BSONRegExp),
  $symbol: kind(Other),
  $timestamp: kind(Timestamp),
  $undefined: () => undefined,
};

/** Return parsed Extended JSON as the values that it means; objects and arrays stay the same ones. */
const read = (value) => {
  if (!isObject(value)) return value;
  const names = keysOf(value);
  if (!isArray(value) && (names.length === 1 || (names.length === 2 && names[0] === "$code"))) {
    const wrapper = WRAPPERS[names[0]];
    if (wrapper !== undefined) return wrapper(value[names[0]], value);
  }
  let before;
  for (let i = 0; i < names.length; i++) {
    const given = value[names[i]];
    if (!isObject(given)) continue;
    const member = read(given);
    value[names[i]] = member; // an own property, whatever its name
    if (typeof member === "number" && keysOf(given)[0] !== "$numberInt") {
      const form = rewritten(given);
      if (form !== numberForm(member)) {
        before ??= create(null);
        before[names[i]] = { __proto__: null, value: member, form };
      }
    }
  }
  if (before !== undefined) keep(numbers, value, before);
  return value;
};

const BSON = {
  Binary, BSONRegExp, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, ObjectID: ObjectId, Timestamp,
};
const EJSON = {
  parse: (text) => read([parsed(text)])[0],
  stringify: (value) => written(value),
};
