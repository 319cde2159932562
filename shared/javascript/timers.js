// Timers, whose time passes in the process.

const timers = create(null);

const timer = (callback, milliseconds, args, repeats) => {
  if (typeof callback !== "function") throw new TheTypeError("a timer calls a function");
  const wait = toNumber(milliseconds) > 0 ? toNumber(milliseconds) : 0;
  const each = { __proto__: null, callback, args, wait, repeats };
  const id = send("timer", 0, `${isInteger(wait) ? wait : wait > SAFE ? SAFE : floor(wait)}`);
  timers[id] = each;
  rang(id, each, id);
  return id;
};

const rang = (id, each, line) => {
  const resolve = () => {
    if (timers[id] !== each) return;
    if (each.repeats) rang(id, each, send("timer", 0, `${floor(each.wait)}`));
    else delete timers[id];
    try {
      apply(each.callback, undefined, each.args);
    } catch (error) {
      part("texts").log({ id: 0 }, "error", [error]);
    }
  };
  waiting[line] = { __proto__: null, resolve };
};

const cleared = (id) => {
  if (typeof id === "number") delete timers[id];
};

return {
  setTimeout: (callback, wait = 0, ...args) => timer(callback, wait, args, false),
  setInterval: (callback, wait = 0, ...args) => timer(callback, wait, args, true),
  setImmediate: (callback, ...args) => timer(callback, 0, args, false),
  clearTimeout: cleared,
  clearInterval: cleared,
  clearImmediate: cleared,
};
