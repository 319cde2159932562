// What passes between a call and the process that it runs in, all of it text: lines go out, answers come in.
//
// Who may do what is not decided here: each line says which function it is of, and the process knows that function.

const MOST_DEPTH = 20;
const MOST_LOGGED = 25;
const LONGEST_LOGGED = 512;
const LONGEST_ERROR = 1000;
const LONGEST_NAME = 100;

const world = globalThis;
const evaluate = eval; // called by another name it sees globals alone
const then = uncurried(Promise.prototype.then);

let outbox = "";
let sent = 0;
let setup;
let sources;
let user;
let request;
let isSystem;
let lines = 0;
const waiting = create(null);
const factories = create(null);
const logged = create(null);
let logs = 0;

/** Send a line; the payload is JSON, so it is one. */
const send = (word, frame, payload) => {
  outbox += `${word} ${frame} ${++sent} ${payload}\n`;
  return sent;
};

/** Send a line and return the promise of its answer. */
const asked = (word, frame, payload) =>
  new ThePromise((resolve, reject) => {
    waiting[send(word, frame.id, payload)] = { __proto__: null, resolve, reject };
  });

const failure = ({ name, message, ...more }) => {
  const error = new TheError(message);
  set(error, "name", name);
  forEach(keysOf(more), (member) => set(error, member, more[member]));
  return error;
};

const answered = (id, isResult, text) => {
  const each = waiting[id];
  delete waiting[id];
  if (each === undefined) return;
  if (isResult) each.resolve(read([parsed(text)])[0]);
  else each.reject(failure(parsed(text)));
};

/** Return the beginning of a text, for people: half a character, which no other text may hold, is another there. */
const clipped = (text, most) => wellFormed(cut(text, 0, most));

/** Return what people read of a value. */
const shown = (value) => {
  try {
    if (isError(value)) return `${value.name}: ${value.message}`;
    return isObject(value) ? quoted(value) : toText(value);
  } catch {
    return "(a value that cannot be shown)";
  }
};

const log = (level, frame) => (...values) => {
  let text = "";
  for (let i = 0; i < values.length; i++) text += (i ? " " : "") + cut(shown(values[i]), 0, LONGEST_LOGGED);
  logged[logs++ % MOST_LOGGED] = `log ${frame.id} 0 {"level":"${level}","text":${quoted(clipped(text, LONGEST_LOGGED))}}\n`;
};

/** Return what the lines say that have gathered, and forget them. */
const taken = () => {
  for (let i = logs > MOST_LOGGED ? logs - MOST_LOGGED : 0; i < logs; i++) outbox += logged[i % MOST_LOGGED];
  logs = 0;
  const text = cut(outbox, 0);
  outbox = "";
  return text;
};

const thrown = (error) => {
  const described = { __proto__: null, name: "", message: "(an error that cannot be read)", stack: "" };
  try {
    if (isError(error)) {
      const { name, message, stack } = error;
      described.name = clipped(`${name}`, LONGEST_NAME);
      described.message = clipped(`${message}`, LONGEST_ERROR);
      described.stack = clipped(`${stack}`, 4 * LONGEST_ERROR);
    } else {
      const shownError = error === null ? "null, which the engine throws when memory is out" : shown(error);
      described.message = clipped(shownError, LONGEST_ERROR);
    }
  } catch {
    // what can be read was
  }
  return rewritten(described);
};

const countLines = (text) => {
  let count = 1;
  for (let at = find(text, "\n"); at >= 0; at = find(text, "\n", at + 1)) count++;
  return count;
};

/** Return what makes the function of a source, for each call anew; its lines follow those of the sources before it. */
const factory = (name) => {
  if (factories[name] === undefined) {
    const source = sources[name];
    send("source", 0, `{"name":${quoted(name)},"line":${lines + 1}}`);
    const before = repeated("\n", lines);
    lines += countLines(source) + 3;
    factories[name] = evaluate(`${before}(function (context, console, require, exports) {\n${source}\nreturn exports;\n})`);
  }
  return factories[name];
};

/** Call a function as a part of another; each has a frame of its own, by which the process knows whose rights it has. */
const execute = (parent, name, args) => {
  const entry = typeof name === "string" ? setup.functions[name] : undefined;
  if (entry === undefined) throw new TheError(`function not found: '${cut(toText(name), 0, LONGEST_NAME)}'`);
  if (parent.depth === MOST_DEPTH) throw new TheError(`functions call each other deeper than ${MOST_DEPTH} levels`);
  const isSystem = entry.isSystem ?? parent.isSystem;
  const frame = { __proto__: null, id: 0, depth: parent.depth + 1, isSystem };
  frame.id = send("frame", parent.id, `{"name":${quoted(name)}}`);
  const made = factory(name);
  const called = apply(made, undefined, [contextOf(frame), consoleOf(frame), required, undefined]);
  if (typeof called !== "function") throw new TheTypeError(`'exports' of function '${name}' is not a function`);
  return apply(called, undefined, args);
};

const required = (name) => {
  throw new TheError(`Cannot find module '${cut(toText(name), 0, LONGEST_NAME)}'`);
};

const consoleOf = (frame) => ({
  debug: log("debug", frame),
  error: log("error", frame),
  info: log("info", frame),
  log: log("info", frame),
  warn: log("warn", frame),
});

const contextOf = (frame) => ({
  app: setup.app,
  environment: setup.environment,
  functions: { execute: (name, ...args) => execute(frame, name, args) },
  request,
  runningAsSystem: () => frame.isSystem,
  services: {
    get(name) {
      for (let i = 0; i < setup.services.length; i++) if (setup.services[i] === name) return clientOf(frame, name);
      return undefined;
    },
  },
  user,
  values: { get: (name) => (typeof name === "string" ? setup.values[name] : undefined) },
});

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
      log("error", { id: 0 })(error);
    }
  };
  waiting[line] = { __proto__: null, resolve };
};

const cleared = (id) => {
  if (typeof id === "number") delete timers[id];
};

const start = async (name, given) => {
  try {
    const args = read(parsed(given));
    let result = await execute({ __proto__: null, id: 0, depth: 0, isSystem }, name, args);
    if (isCursor(result)) result = await result.toArray();
    send("result", 0, bareForm(result, args) ?? written(result));
  } catch (error) {
    send("thrown", 0, thrown(error));
  }
};

/** Return what a number was that a function returns as it was given; a number that is no member has no other memory. */
const bareForm = (result, args) => {
  const before = typeof result === "number" ? kept(numbers, args) : undefined;
  if (before === undefined) return undefined;
  for (let i = 0; i < args.length; i++) {
    if (before[i] !== undefined && isSame(before[i].value, result)) return before[i].form;
  }
  return undefined;
};

const prepare = (text, sourceTexts) => {
  const { constants, call } = read(parsed(text));
  setup = { ...constants, ...call };
  sources = parsed(sourceTexts);
  for (const each of [setup.functions, setup.values, sources]) Object.setPrototypeOf(each, null);
  ({ user, request, lines, objectIds, isSystem } = setup);
};

/** Let go of all that functions made, while nobody waits: it takes long where it is much. */
const ended = () => {
  forEach([waiting, factories, timers, logged], (each) => forEach(keysOf(each), (name) => deleteProperty(each, name)));
  forEach(getOwnPropertyNames(world), (name) => deleteProperty(world, name));
  outbox = "";
  setup = sources = user = request = undefined;
};

/** What the process calls. */
const host = (word, first, second, third) => {
  if (word === "start") {
    prepare(first, second);
    start(setup.name, third);
  } else if (word === "answer") {
    answered(first, second, third);
  } else if (word === "take") {
    return taken();
  } else {
    ended();
  }
  return undefined;
};

const globals = { BSON, EJSON };
globals.setTimeout = (callback, wait = 0, ...args) => timer(callback, wait, args, false);
globals.setInterval = (callback, wait = 0, ...args) => timer(callback, wait, args, true);
globals.setImmediate = (callback, ...args) => timer(callback, 0, args, false);
globals.clearTimeout = globals.clearInterval = globals.clearImmediate = cleared;
for (const name of keysOf(globals)) set(world, name, globals[name]);

// The process reads errors of the engine itself, by what is found here: no function may put itself in between.
for (const { prototype } of [InternalError, RangeError]) {
  set(prototype, "toString", Error.prototype.toString);
  set(prototype, Symbol.toPrimitive, undefined);
  defineProperty(prototype, "stack", getOwnPropertyDescriptor(Error.prototype, "stack"));
  freeze(prototype);
}
defineProperty(Error, "prepareStackTrace", { value: undefined, writable: false, configurable: false });
