// Extended JSON as a tree that keeps what JSON.parse loses: the order of members, names that occur twice, digits.

export class Scalar {
  constructor(type, text, source) {
    this.type = type; // a name of BSON's types
    this.text = text; // as a person reads it
    this.source = source; // as it is written in Extended JSON
  }
}

export class Members {
  constructor(entries) {
    this.type = "object";
    this.entries = entries; // [name, value] in their order
  }

  get(name) {
    return this.entries.find(([each]) => each === name)?.[1];
  }
}

export class Elements {
  constructor(values) {
    this.type = "array";
    this.values = values;
  }
}

const SPACE = /\s*/y;
const TOKEN = /[{}[\],:]|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y;

/** Return where a string ends that begins at a place, -1 if it does not: a pattern would take too deep a stack. */
function endOfString(text, at) {
  for (let quote = text.indexOf('"', at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
  }
  return -1;
}

function isString(token) {
  try {
    JSON.parse(token);
    return true;
  } catch {
    return false;
  }
}

const MOST_READ = 200; // characters from a mistake on
const HABITS = [
  [/^ObjectId\b/, 'An ObjectId is written {"$oid":"…"}: something is wrong'],
  [/^(new\s+|ISO)Date\b|^Date\b/, 'A date is written {"$date":"2026-01-31T12:00:00Z"}: something is wrong'],
  [/^(NumberLong|Long)\b/, 'A long is written {"$numberLong":"…"}: something is wrong'],
  [/^(NumberDecimal|Decimal128)\b/, 'A decimal is written {"$numberDecimal":"…"}: something is wrong'],
  [/^UUID\b/, 'A UUID is written {"$uuid":"…"}: something is wrong'],
  [/^\//, 'A pattern is written {"$regex":"…"}: something is wrong'],
  [/^['‘’“”`]/, 'Names and texts need "double quotes": something is wrong'],
  [/^"/, "A text does not end, or has a backslash or a line break that is none of JSON: something is wrong"],
  [/^[$\p{L}_][$\p{L}\p{N}_.]*\s*:/u, 'Names need "double quotes": something is wrong'],
  [/^[$\p{L}_]/u, 'Texts need "double quotes": something is wrong'],
];

/** Say what a person meant who writes as in MongoDB's shell. */
function causeOf(rest) {
  return HABITS.find(([pattern]) => pattern.test(rest))?.[1] ?? "something is wrong";
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.next();
  }

  next() {
    SPACE.lastIndex = this.at;
    SPACE.test(this.text);
    const begin = SPACE.lastIndex;
    this.isText = this.text[begin] === '"';
    TOKEN.lastIndex = begin;
    const end = this.isText ? endOfString(this.text, begin) : TOKEN.test(this.text) ? TOKEN.lastIndex : -1;
    this.token = end < 0 ? "" : this.text.slice(begin, end);
    if ((end < 0 && begin < this.text.length) || (this.isText && !isString(this.token))) throw new SyntaxError(this.place(causeOf(this.text.slice(begin, begin + MOST_READ))));
    this.at = Math.max(begin, end);
  }

  place(what) {
    const before = this.text.slice(0, this.at).split("\n");
    return `${what} in line ${before.length}, behind column ${before.at(-1).length}`;
  }

  expect(token) {
    if (this.token !== token) throw new SyntaxError(this.place(`'${token}' is missing`));
    this.next();
  }

  value() {
    if (this.token === "{") return this.members();
    if (this.token === "[") return this.elements();
    const source = this.token;
    if (!source || "}],:".includes(source)) throw new SyntaxError(this.place("a value is missing"));
    const isText = this.isText;
    this.next();
    if (isText) return new Scalar("string", JSON.parse(source), source);
    if (source === "null") return new Scalar("null", source, source);
    if (source === "true" || source === "false") return new Scalar("bool", source, source);
    return new Scalar(plainNumber(source), source, source);
  }

  members() {
    const entries = [];
    this.next();
    while (this.token !== "}") {
      if (entries.length) this.expect(",");
      if (!this.isText) throw new SyntaxError(this.place('a name in "quotes" is missing'));
      const name = JSON.parse(this.token);
      this.next();
      this.expect(":");
      entries.push([name, this.value()]);
    }
    this.next();
    return new Members(entries);
  }

  elements() {
    const values = [];
    this.next();
    while (this.token !== "]") {
      if (values.length) this.expect(",");
      values.push(this.value());
    }
    this.next();
    return new Elements(values);
  }
}

/** Return the tree of a text; throw SyntaxError that names the place if it is no JSON. */
export function parse(text) {
  const reader = new Reader(text);
  const value = reader.value();
  if (reader.token) throw new SyntaxError(reader.place("there is more behind the end"));
  return value;
}

/** Return the same tree with scalars of BSON in place of the objects that write them. */
export function typed(value) {
  if (value instanceof Elements) return new Elements(value.values.map(typed));
  if (!(value instanceof Members)) return value;
  const read = WRAPPERS[value.entries[0]?.[0]]?.(value);
  return read ?? new Members(value.entries.map(([name, each]) => [name, typed(each)]));
}

/** Write a tree as Extended JSON; with an indent in lines, as short as its types allow. */
export function print(value, indent = "", margin = "") {
  const inner = margin + indent;
  const [open, close] = indent ? [`\n${inner}`, `\n${margin}`] : ["", ""];
  const between = indent ? `,\n${inner}` : ",";
  if (value instanceof Elements) {
    if (!value.values.length) return "[]";
    return `[${open}${value.values.map((each) => print(each, indent, inner)).join(between)}${close}]`;
  }
  if (value instanceof Members) {
    if (!value.entries.length) return "{}";
    const colon = indent ? ": " : ":";
    const written = value.entries.map(([name, each]) => JSON.stringify(name) + colon + print(each, indent, inner));
    return `{${open}${written.join(between)}${close}}`;
  }
  return value.source;
}

function plainNumber(source) {
  if (/[.eE]/.test(source)) return "double";
  const number = BigInt(source);
  return number >= -2147483648n && number <= 2147483647n ? "int" : "long";
}

/** Return the text of the one member that an object has, or of nothing. */
function only(value) {
  const inner = value.entries.length === 1 ? value.entries[0][1] : undefined;
  return inner instanceof Scalar && inner.type === "string" ? inner.text : undefined;
}

function wrapped(type, show = (text) => text, write = (_, source) => source) {
  return (value) => {
    const text = only(value);
    return text === undefined ? undefined : new Scalar(type, show(text), write(text, print(value)));
  };
}

// what is shortened is a number to the last digit, for what others have stored may only look like a wrapper of one
function shortInt(text, source) {
  return /^(0|-?[1-9]\d{0,9})$/.test(text) && plainNumber(text) === "int" ? text : source;
}

function shortDouble(text, source) {
  return /^-?\d+\.\d+$/.test(text) && String(Number(text)) === text ? text : source;
}

function date(value) {
  const inner = value.entries.length === 1 ? value.entries[0][1] : undefined;
  const text = inner instanceof Members ? only(inner) : inner?.text;
  if (text === undefined) return undefined;
  const when = new Date(/^-?\d+$/.test(text) ? Number(text) : text);
  const isShown = !Number.isNaN(when.getTime()) && when.getUTCFullYear() > 0 && when.getUTCFullYear() < 10000;
  if (!isShown) return new Scalar("date", `${text} ms`, print(value));
  const iso = when.toISOString().replace(".000Z", "Z");
  return new Scalar("date", iso, `{"$date":"${iso}"}`);
}

function shaped(type, show) {
  return (value) => {
    const inner = value.entries[0][1];
    const text = inner instanceof Members || inner instanceof Scalar ? show(inner, value) : undefined;
    return text === undefined ? undefined : new Scalar(type, text, print(value));
  };
}

const part = (value, name) => value.get?.(name)?.text;

const WRAPPERS = {
  __proto__: null,
  $oid: wrapped("objectId"),
  $numberInt: wrapped("int", undefined, shortInt),
  $numberLong: wrapped("long"),
  $numberDouble: wrapped("double", undefined, shortDouble),
  $numberDecimal: wrapped("decimal"),
  $symbol: wrapped("symbol"),
  $date: date,
  $binary: shaped("binData", (inner) => {
    const base64 = part(inner, "base64");
    return base64 === undefined ? undefined : `${base64} (${part(inner, "subType")})`;
  }),
  $uuid: wrapped("binData"),
  $regularExpression: shaped("regex", (inner) => `/${part(inner, "pattern")}/${part(inner, "options") ?? ""}`),
  $timestamp: shaped("timestamp", (inner) => `${part(inner, "t")}, ${part(inner, "i")}`),
  $minKey: shaped("minKey", () => "MinKey"),
  $maxKey: shaped("maxKey", () => "MaxKey"),
  $undefined: shaped("undefined", () => "undefined"),
  $dbPointer: shaped("dbPointer", (inner) => `${part(inner, "$ref")} ${print(inner.get?.("$id") ?? inner)}`),
  $code: shaped("javascript", (inner) => inner.text),
};
