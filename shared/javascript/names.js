// What JavaScript offers, as it was before any function ran.
//
// A function may replace what others rely on, such as Array.prototype.push. What is used here is kept from before.

const { stringify: quoted, parse: parsed } = JSON; // of texts only: of objects, it would ask what may be replaced
const { apply, construct, deleteProperty } = Reflect;
const { create, defineProperty, freeze, getOwnPropertyDescriptor, getOwnPropertyNames, is: isSame, keys: keysOf } = Object;
const { isArray } = Array;
const { isError } = Error;
const { isInteger } = Number;
const { asyncIterator, isConcatSpreadable } = Symbol;
const { abs, floor, sin } = Math;
const { now } = Date;
const [toText, toNumber, toBigInt, asInt64, asUint64] = [String, Number, BigInt, BigInt.asIntN, BigInt.asUintN];
const [TheBytes, TheDate, TheError, TheInts, ThePromise, TheProxy, TheRangeError, TheRegExp, TheTypeError, TheWeakMap] = [
  Uint8Array, Date, Error, Int32Array, Promise, Proxy, RangeError, RegExp, TypeError, WeakMap,
];
const [decodeBase64, encodeBase64, decodeURL, encodeURL, escaped, unescaped] = [
  atob, btoa, decodeURIComponent, encodeURIComponent, escape, unescape,
];

const uncurried = (method) => (self, ...args) => apply(method, self, args);
const ofText = (name) => uncurried(String.prototype[name]);
const [cut, find, codeAt, repeated, padded] = ["substring", "indexOf", "charCodeAt", "repeat", "padStart"].map(ofText);
const [lastOf, wellFormed] = ["lastIndexOf", "toWellFormed"].map(ofText);
const fromCode = String.fromCharCode;
const inBase = uncurried(Number.prototype.toString);
const timeOf = uncurried(Date.prototype.getTime);
const [kept, keep] = [uncurried(WeakMap.prototype.get), uncurried(WeakMap.prototype.set)];
const getter = (prototype, name) => uncurried(getOwnPropertyDescriptor(prototype, name).get);
const [sourceOf, flagsOf] = [getter(RegExp.prototype, "source"), getter(RegExp.prototype, "flags")];
const executed = uncurried(RegExp.prototype.exec);
const { then: whenSettled, catch: whenRejected, finally: whenEnded } = Promise.prototype;
const promiseMethods = { __proto__: null, then: whenSettled, catch: whenRejected, finally: whenEnded };
const then = uncurried(whenSettled);
const bytesIn = getter(Object.getPrototypeOf(Uint8Array.prototype), "length");

const SAFE = 2 ** 53;

const isObject = (value) => typeof value === "object" && value !== null;
const set = (target, name, value) =>
  defineProperty(target, name, { __proto__: null, value, writable: true, configurable: true });

/** Do something with each of a list, whose iterator may be another by now. */
const forEach = (list, callback) => {
  for (let i = 0; i < list.length; i++) callback(list[i]);
};
