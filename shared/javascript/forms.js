// Values of MongoDB and their canonical Extended JSON.

const MOST_LEVELS = 100;

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

const inside = (form, before, after) => cut(form, before, form.length - after);
const long = (digits) => `{"$numberLong":"${asInt64(64, toBigInt(digits))}"}`;

const exactLong = (value) => {
  if (asInt64(64, value) !== value) throw new TheRangeError("a BigInt is beyond an Int64");
  return long(value);
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
  forEach(keysOf(methods), (method) => set(type.prototype, method, methods[method]));
  return type;
};
const made = (type, form) => construct(Value, [form], type);


const doubleForm = (value) => {
  if (isSame(value, -0)) return '{"$numberDouble":"-0.0"}';
  return `{"$numberDouble":"${value}${isInteger(value) && abs(value) < 1e21 ? ".0" : ""}"}`;
};
const numberForm = (value) => {
  if (!isInteger(value) || abs(value) > SAFE || isSame(value, -0)) return doubleForm(value);
  return (value | 0) === value ? `{"$numberInt":"${value}"}` : `{"$numberLong":"${value}"}`;
};
const dateForm = (milliseconds) => `{"$date":{"$numberLong":"${milliseconds}"}}`;

/** Tell whether a value is such a type: those that nobody named are none. */
const isNamed = (value, type) => typeof value === "function" && loaded.bson?.BSON[type] === value;

/** Return canonical Extended JSON of a value; `exact` refuses undefined, which in a query would find something else. */
const written = (value, exact = false, levels = MOST_LEVELS) => {
  switch (typeof value) {
    case "string": return quoted(value);
    case "number": return numberForm(value);
    case "boolean": return value ? "true" : "false";
    case "bigint": return exactLong(value);
    case "object": return value === null ? "null" : objectForm(value, exact, levels);
  }
  if (isNamed(value, "MinKey")) return '{"$minKey":1}';
  if (isNamed(value, "MaxKey")) return '{"$maxKey":1}';
  if (exact) throw new TheTypeError("(BadValue) cannot compare to undefined");
  return '{"$undefined":true}';
};

const objectForm = (value, exact, levels) => {
  const form = formOf(value);
  if (form !== undefined) return form;
  if (levels === 0) throw new TheTypeError(`a value is nested deeper than ${MOST_LEVELS} levels, or in a circle`);
  if (value instanceof TheDate) return isInteger(timeOf(value)) ? dateForm(timeOf(value)) : "null";
  if (value instanceof TheRegExp) return part("bson").regexForm(sourceOf(value), flagsOf(value));
  if (value instanceof TheBytes) return part("bson").bytesForm(value);
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
  if (!isObject(value)) return quoted(value); // also a number that is too large to be one
  let text = "";
  const names = keysOf(value);
  for (let i = 0; i < names.length; i++) {
    text += (i ? "," : "") + (isArray(value) ? "" : `${quoted(names[i])}:`) + rewritten(value[names[i]]);
  }
  return isArray(value) ? `[${text}]` : `{${text}}`;
};

/** Return a type: that of ids, which most documents have, without all others. */
const typeNamed = (name) => {
  if (name === "ObjectId") return part("objectid").ObjectId;
  return name === "Other" ? part("bson").Other : part("bson").BSON[name];
};
const kind = (name) => (_operand, whole) => made(typeNamed(name), rewritten(whole));
const readDate = (operand, whole) => {
  const milliseconds = isObject(operand) ? operand.$numberLong : operand;
  if (isObject(milliseconds)) return whole;
  const date = new TheDate(isObject(operand) ? toNumber(milliseconds) : milliseconds);
  return isInteger(timeOf(date)) ? date : made(typeNamed("Other"), rewritten(whole));
};
const readLong = (digits, whole) => {
  const value = toNumber(digits);
  return abs(value) < SAFE ? value : made(typeNamed("Long"), rewritten(whole));
};

/** Leave an object what it is if it only looks like a wrapper, whose operand is no object. */
const ofScalar = (reading) => (operand, whole) => (isObject(operand) ? whole : reading(operand, whole));

/** What the wrappers of Extended JSON are to functions, by the first of their names. */
const WRAPPERS = {
  __proto__: null,
  $binary: (operand, whole) => (isObject(operand) ? made(typeNamed("Binary"), rewritten(whole)) : whole),
  $code: kind("Other"),
  $date: readDate,
  $dbPointer: kind("Other"),
  $maxKey: kind("MaxKey"),
  $minKey: kind("MinKey"),
  $numberDecimal: ofScalar(kind("Decimal128")),
  $numberDouble: ofScalar(toNumber),
  $numberInt: ofScalar(toNumber),
  $numberLong: ofScalar(readLong),
  $oid: ofScalar(kind("ObjectId")),
  $regularExpression: kind("BSONRegExp"),
  $symbol: kind("Other"),
  $timestamp: kind("Timestamp"),
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

/** Return what a function returns; a number that it was given is what it was, though it is a member of nothing. */
const returned = (result, args) => {
  const before = typeof result === "number" ? kept(numbers, args) : undefined;
  for (let i = 0; before !== undefined && i < args.length; i++) {
    if (before[i] !== undefined && isSame(before[i].value, result)) return before[i].form;
  }
  return written(result);
};

const EJSON = {
  parse: (text) => read([parsed(text)])[0],
  stringify: (value) => written(value),
};

return { EJSON, doubleForm, formOf, inside, long, made, read, returned, rewritten, typed, written };
