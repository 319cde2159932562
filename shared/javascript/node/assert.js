// Conditions that throw an error where they do not hold.

const { inspect, isDeepEqual, isDeepStrictEqual } = require("util");

class AssertionError extends Error {
  constructor({ message, actual, expected, operator }) {
    super(message ?? `${inspect(actual)} ${operator} ${inspect(expected)}`);
    this.name = "AssertionError";
    Object.assign(this, { code: "ERR_ASSERTION", generatedMessage: message === undefined, actual, expected, operator });
  }
}

const check = (holds, operator, actual, expected, message) => {
  if (holds) return;
  if (message instanceof Error) throw message;
  throw new AssertionError({ message, actual, expected, operator });
};

/** Tell whether an error is as it was expected to be. */
const isExpected = (error, expected) => {
  if (expected === undefined) return true;
  if (expected instanceof RegExp) return expected.test(String(error));
  if (typeof expected === "object") {
    const keys = new Set([...Object.keys(expected), ...(expected instanceof Error ? ["name", "message"] : [])]);
    return [...keys].every((key) =>
      expected[key] instanceof RegExp && typeof error[key] === "string"
        ? expected[key].test(error[key])
        : isDeepStrictEqual(error[key], expected[key]),
    );
  }
  if (expected.prototype !== undefined && error instanceof expected) return true;
  return !Error.isPrototypeOf(expected) && expected.call({}, error) === true;
};

const caught = (error, expected, message) => {
  if (typeof expected === "string") return;
  if (isExpected(error, expected)) return;
  if (typeof expected === "function" || message === undefined) throw error;
  throw new AssertionError({ message, actual: error, expected, operator: "throws" });
};
const missed = (kind, expected, message) => {
  const text = typeof expected === "string" ? expected : message;
  const name = expected?.name ? ` (${expected.name})` : "";
  const what = `Missing expected ${kind === "throws" ? "exception" : "rejection"}${name}`;
  check(false, kind, undefined, expected, text instanceof Error ? text : what + (text ? `: ${text}` : "."));
};

const assert = (value, message) =>
  check(value, "==", value, true, message ?? "The expression evaluated to a falsy value");

Object.assign(assert, {
  AssertionError,
  ok: assert,
  equal: (one, other, message) => check(one == other || (one !== one && other !== other), "==", one, other, message),
  notEqual: (one, other, message) => check(one != other, "!=", one, other, message),
  strictEqual: (one, other, message) => check(Object.is(one, other), "strictEqual", one, other, message),
  notStrictEqual: (one, other, message) => check(!Object.is(one, other), "notStrictEqual", one, other, message),
  deepEqual: (one, other, message) => check(isDeepEqual(one, other), "deepEqual", one, other, message),
  notDeepEqual: (one, other, message) => check(!isDeepEqual(one, other), "notDeepEqual", one, other, message),
  deepStrictEqual: (one, other, message) => check(isDeepStrictEqual(one, other), "deepStrictEqual", one, other, message),
  notDeepStrictEqual: (one, other, message) =>
    check(!isDeepStrictEqual(one, other), "notDeepStrictEqual", one, other, message),
  match: (text, pattern, message) => check(pattern.test(text), "match", text, pattern, message),
  doesNotMatch: (text, pattern, message) => check(!pattern.test(text), "doesNotMatch", text, pattern, message),
  fail(message = "Failed") {
    check(false, "fail", undefined, undefined, message);
  },
  ifError(value) {
    if (value !== null && value !== undefined) throw value instanceof Error ? value : new Error(`ifError got unwanted exception: ${value}`);
  },
  throws(work, expected, message) {
    try {
      work();
    } catch (error) {
      return caught(error, expected, message);
    }
    return missed("throws", expected, message);
  },
  doesNotThrow(work) {
    work();
  },
  async rejects(work, expected, message) {
    try {
      await (typeof work === "function" ? work() : work);
    } catch (error) {
      return caught(error, expected, message);
    }
    return missed("rejects", expected, message);
  },
  async doesNotReject(work) {
    await (typeof work === "function" ? work() : work);
  },
});
assert.strict = Object.assign((value, message) => assert(value, message), assert, {
  equal: assert.strictEqual,
  notEqual: assert.notStrictEqual,
  deepEqual: assert.deepStrictEqual,
  notDeepEqual: assert.notDeepStrictEqual,
});
assert.strict.strict = assert.strict;

module.exports = assert;
