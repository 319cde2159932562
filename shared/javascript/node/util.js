// Helpers: texts of values, callbacks and promises, comparisons.

const custom = Symbol.for("nodejs.util.promisify.custom");
const inspecting = Symbol.for("nodejs.util.inspect.custom");
const LINE = 70;

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
const of = (name) => (value) => typeof value === "object" && value !== null && tag(value) === name;
const isError = (value) => Error.isError?.(value) ?? value instanceof Error;

const text = (value) => {
  const quote = ["'", '"', "`"].find((each) => !value.includes(each)) ?? "'";
  const escaped = JSON.stringify(value).slice(1, -1).replace(/\\"/g, '"');
  return quote + (quote === "'" ? escaped.replace(/'/g, "\\'") : escaped) + quote;
};

const primitive = (value) => {
  if (typeof value === "string") return text(value);
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  return String(value);
};

const keyText = (key) => {
  if (typeof key === "symbol") return `[${String(key)}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : text(key);
};

const nameOf = (value) => {
  for (let each = value; each !== null; each = Object.getPrototypeOf(each)) {
    const made = Object.getOwnPropertyDescriptor(each, "constructor")?.value;
    if (typeof made === "function" && made.name !== "") return made.name;
  }
  return null;
};

const lines = (open, parts, close, indent) => {
  if (parts.length === 0) return open + close;
  const length = parts.reduce((sum, each) => sum + each.length + 2, indent.length + open.length);
  if (length <= LINE && !parts.some((each) => each.includes("\n"))) return `${open} ${parts.join(", ")} ${close}`;
  return `${open}\n${parts.map((each) => `${indent}  ${each}`).join(",\n")}\n${indent}${close}`;
};

const shown = (value, options, seen, depth, indent) => {
  if (typeof value === "function") {
    const name = value.name || "(anonymous)";
    if (!/^class\b/.test(Function.prototype.toString.call(value))) return `[Function${value.name ? ":" : ""} ${name}]`;
    const parent = Object.getPrototypeOf(value).name;
    return `[class ${name}${parent ? ` extends ${parent}` : ""}]`;
  }
  if (typeof value !== "object" || value === null) return primitive(value);
  if (seen.includes(value)) return "[Circular *1]";
  if (typeof value[inspecting] === "function") {
    const result = value[inspecting](options.depth === null ? null : options.depth - depth, options, inspect);
    return typeof result === "string" ? result : shown(result, options, [...seen, value], depth, indent);
  }
  const name = nameOf(value);
  if (options.depth !== null && depth > options.depth) return `[${Array.isArray(value) ? "Array" : name ?? "Object: null prototype"}]`;
  const inner = (each) => shown(each, options, [...seen, value], depth + 1, `${indent}  `);
  const keys = Reflect.ownKeys(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));
  const member = (key) => {
    const { get, set, value: given } = Object.getOwnPropertyDescriptor(value, key);
    const what = get && set ? "[Getter/Setter]" : get ? "[Getter]" : set ? "[Setter]" : inner(given);
    return `${keyText(key)}: ${what}`;
  };
  const plain = (prefix) => {
    const members = keys.map(member);
    return members.length ? lines(`{ ${prefix}`.trimEnd(), members, "}", indent).replace(/^\{ (\S)/, "{ $1") : prefix;
  };
  if (Array.isArray(value)) {
    const others = keys.filter((key) => typeof key === "symbol" || !/^\d+$/.test(key)).map(member);
    const most = options.maxArrayLength ?? Infinity;
    const items = Array.from(value.slice(0, most), (each, i) => (i in value ? inner(each) : "<1 empty item>"));
    if (value.length > most) items.push(`... ${value.length - most} more item${value.length - most > 1 ? "s" : ""}`);
    const open = name === "Array" || name === null ? "[" : `${name}(${value.length}) [`;
    return lines(open, [...items, ...others], "]", indent);
  }
  if (isError(value)) return plain(value.stack ? `${value.name}: ${value.message}\n${value.stack}`.trimEnd() : `[${value.name}: ${value.message}]`);
  if (of("Date")(value)) return plain(Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString());
  if (of("RegExp")(value)) return plain(String(value));
  if (of("Promise")(value)) return "Promise { <pending> }";
  if (value instanceof Map) {
    return lines(`${name}(${value.size}) {`, Array.from(value, ([key, each]) => `${inner(key)} => ${inner(each)}`), "}", indent);
  }
  if (value instanceof Set) return lines(`${name}(${value.size}) {`, Array.from(value, inner), "}", indent);
  if (require("buffer").Buffer.isBuffer(value)) return `<Buffer${Array.from(value.subarray(0, 50), (byte) => ` ${byte.toString(16).padStart(2, "0")}`).join("")}>`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return lines(`${name}(${value.length}) [`, Array.from(value, inner), "]", indent);
  if (["Number", "String", "Boolean"].includes(tag(value))) return `[${tag(value)}: ${primitive(value.valueOf())}]`;
  const open = name === null ? "[Object: null prototype] {" : name === "Object" ? "{" : `${name} {`;
  return lines(open, keys.map(member), "}", indent);
};

const inspect = (value, options = {}, depth = undefined) => {
  const given = typeof options === "object" && options !== null ? options : { showHidden: options, depth };
  return shown(value, { depth: 2, maxArrayLength: 100, ...given, depth: given.depth === undefined ? 2 : given.depth }, [], 0, "");
};
inspect.custom = inspecting;
inspect.defaultOptions = {};

const format = (...args) => {
  let at = 1;
  let result = "";
  if (typeof args[0] === "string") {
    result = args[0].replace(/%[sdifjoOc%]/g, (found) => {
      if (found === "%%") return args.length === 1 ? found : "%";
      if (at >= args.length) return found;
      const value = args[at++];
      switch (found[1]) {
        case "s":
          if (typeof value === "bigint" || Object.is(value, -0)) return primitive(value);
          return typeof value === "object" && value !== null ? inspect(value, { depth: 0 }) : String(value);
        case "d": return typeof value === "bigint" ? `${value}n` : typeof value === "object" ? "NaN" : primitive(Number(value));
        case "i": return typeof value === "bigint" ? `${value}n` : typeof value === "object" ? "NaN" : primitive(parseInt(value, 10));
        case "f": return primitive(parseFloat(value));
        case "j": return JSON.stringify(value);
        case "c": return "";
        default: return inspect(value, { depth: found[1] === "o" ? 4 : 2 });
      }
    });
  } else {
    at = 0;
  }
  const rest = args.slice(at).map((each) => (typeof each === "string" ? each : inspect(each)));
  return (typeof args[0] === "string" ? [result, ...rest] : rest).join(" ");
};

const sameMembers = (one, other, isStrict, seen) => {
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key], isStrict, seen));
};

const within = (list, value, isStrict, seen) => {
  const at = list.findIndex((each) => same(each, value, isStrict, seen));
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
};

/** Tell whether two values are alike, also in what is in them. */
const same = (one, other, isStrict, seen = []) => {
  const isObject = (value) => typeof value === "object" && value !== null;
  if (!isObject(one) || !isObject(other)) {
    if (isStrict || isObject(one) !== isObject(other)) return Object.is(one, other);
    return one == other || (one !== one && other !== other); // as loosely as it is asked for
  }
  if (one === other) return true;
  if (tag(one) !== tag(other) || Array.isArray(one) !== Array.isArray(other)) return false;
  if (isStrict && Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  if (seen.some(([a, b]) => a === one && b === other)) return true;
  const next = [...seen, [one, other]];
  if (of("Date")(one) && !Object.is(one.getTime(), other.getTime())) return false;
  if (of("RegExp")(one) && String(one) !== String(other)) return false;
  if (isError(one) && (one.name !== other.name || one.message !== other.message)) return false;
  if (["Number", "String", "Boolean"].includes(tag(one)) && !Object.is(one.valueOf(), other.valueOf())) return false;
  if (Array.isArray(one) && one.length !== other.length) return false;
  if (one instanceof Set || one instanceof Map) {
    const left = [...other];
    if (one.size !== other.size || ![...one].every((each) => within(left, each, isStrict, next))) return false;
  }
  return sameMembers(one, other, isStrict, next);
};

const promisify = (method) => {
  if (typeof method !== "function") throw new TypeError('The "original" argument must be of type function');
  if (method[custom]) return method[custom];
  const promised = function (...args) {
    return new Promise((resolve, reject) => {
      method.call(this, ...args, (error, value) => (error ? reject(error) : resolve(value)));
    });
  };
  return Object.defineProperties(Object.setPrototypeOf(promised, Object.getPrototypeOf(method)), Object.getOwnPropertyDescriptors(method));
};
promisify.custom = custom;

const callbackify = (method) =>
  function (...args) {
    const callback = args.pop();
    const later = (...given) => queueMicrotask(() => callback(...given));
    method.apply(this, args).then(
      (value) => later(null, value),
      (error) => later(error || Object.assign(new Error("Promise was rejected with a falsy value"), { reason: error })),
    );
  };

const inherits = (made, parent) => {
  Object.defineProperty(made, "super_", { value: parent, configurable: true, writable: true });
  Object.setPrototypeOf(made.prototype, parent.prototype);
};

const types = { isNativeError: isError, isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView) };
const NAMED = [
  "ArrayBuffer", "Date", "Map", "Promise", "RegExp", "Set", "SharedArrayBuffer", "Symbol", "WeakMap", "WeakSet",
  "DataView", "Uint8Array", "Int8Array", "Uint16Array", "Int16Array", "Uint32Array", "Int32Array", "Float32Array",
  "Float64Array", "Uint8ClampedArray", "BigInt64Array", "BigUint64Array", "GeneratorFunction", "AsyncFunction",
];
for (const name of NAMED) {
  types[`is${name}`] = name.endsWith("Function") ? (value) => typeof value === "function" && tag(value).endsWith(name) : of(name);
}
types.isAnyArrayBuffer = (value) => types.isArrayBuffer(value) || types.isSharedArrayBuffer(value);
types.isArrayBufferView = ArrayBuffer.isView;
types.isBoxedPrimitive = (value) => typeof value === "object" && ["Number", "String", "Boolean", "Symbol", "BigInt"].includes(tag(value));

module.exports = {
  callbackify, format, inherits, inspect, promisify, types,
  debuglog: () => Object.assign(() => undefined, { enabled: false }),
  deprecate: (method) => method,
  isArray: Array.isArray,
  isBoolean: (value) => typeof value === "boolean",
  isBuffer: (value) => require("buffer").Buffer.isBuffer(value),
  isDate: types.isDate,
  isDeepStrictEqual: (one, other) => same(one, other, true),
  isError,
  isFunction: (value) => typeof value === "function",
  isNull: (value) => value === null,
  isNullOrUndefined: (value) => value === null || value === undefined,
  isNumber: (value) => typeof value === "number",
  isObject: (value) => typeof value === "object" && value !== null,
  isPrimitive: (value) => value === null || !["object", "function"].includes(typeof value),
  isRegExp: types.isRegExp,
  isString: (value) => typeof value === "string",
  isSymbol: (value) => typeof value === "symbol",
  isUndefined: (value) => value === undefined,
  isDeepEqual: (one, other) => same(one, other, false),
};
