// What passes between a call and the process that it runs in, all of it text: lines go out, answers come in.
//
// Who may do what is not decided here: each line says which function it is of, and the process knows that function.
// All that is here is read for each call. What only some need is a part, a file of its own that is read where it is
// first needed, after functions may have replaced all that JavaScript offers: it uses what names.js has kept, and
// nothing that asks an iterator, such as `for (… of …)`, `[...list]` and `const [first] = list`.

const MOST_DEPTH = 20;
const LONGEST_NAME = 100;

const world = globalThis;
const evaluate = eval; // called by another name it sees globals alone
const evaluateHere = (text) => eval(text); // what JavaScript has by that name, whatever functions make of it

let outbox = "";
let sent = 0;
let began;
let lines = 0;
let partTexts;
const loaded = create(null);
const waiting = create(null);
const factories = create(null);

const own = (object, name) => getOwnPropertyDescriptor(object, name)?.value;

/** Return a part of the prelude, which sees all that is here by name. */
const part = (name) => (loaded[name] ??= evaluateHere(cutOut(partTexts, name))());

const cutOut = (texts, name) => {
  const place = own(texts.places, name);
  return cut(texts.text, place[0], place[1]);
};

/** Return the value that Extended JSON means. */
const meant = (text) => (find(text, '"$') < 0 ? parsed(text) : part("forms").read([parsed(text)])[0]);

const seen = () => (began.seen ??= meant(began.call));
/** Return what ids and random bytes are made of, before the types are there, which what a call sees may need. */
const origins = () => parsed(began.call).objectIds;
const app = () => (began.shown ??= meant(began.app));

/** Define a member that is made when it is first asked for, as `make` of its name. */
const lazily = (target, name, enumerable, make) => {
  let value;
  const get = () => (value ??= make(name));
  const change = (given) => set(target, name, given);
  defineProperty(target, name, { __proto__: null, get, set: change, enumerable, configurable: true });
};

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

const answered = (id, isResult, text) => {
  const each = waiting[id];
  delete waiting[id];
  if (each === undefined) return;
  if (isResult) each.resolve(meant(text));
  else each.reject(part("texts").failure(parsed(text)));
};

/** Return what the lines say that have gathered, and forget them. */
const taken = () => {
  const text = outbox + (loaded.texts === undefined ? "" : loaded.texts.logs());
  outbox = "";
  return cut(text, 0); // what is joined may be of a kind that the process cannot read
};

/** Return what makes the function of a source, for each call anew; its lines follow those of the sources before it. */
const factory = (name, texts, path, parameters, end) => {
  outbox += `source 0 0 {"name":${quoted(name)},"line":${lines + 1}}\n`;
  const before = repeated("\n", lines);
  lines += own(texts.places, path)[3] + 3;
  return evaluate(`${before}0 || function (${parameters}) {\n${cutOut(texts, path)}\n${end}}`);
};

/** Call a function as a part of another; each has a frame of its own, by which the process knows whose rights it has. */
const execute = (parent, name, args) => {
  const place = typeof name === "string" ? own(began.functions.places, name) : undefined;
  if (place === undefined) throw new TheError(`function not found: '${cut(toText(name), 0, LONGEST_NAME)}'`);
  if (parent.depth === MOST_DEPTH) throw new TheError(`functions call each other deeper than ${MOST_DEPTH} levels`);
  const frame = { __proto__: null, id: 0, depth: parent.depth + 1, isSystem: place[2] ?? parent.isSystem };
  frame.id = send("frame", parent.id, `{"name":${quoted(name)}}`);
  began.first ??= frame;
  return frame.isSystem === "script" ? part("scripts").chosen(frame, args, (given) => run(frame, name, given)) : run(frame, name, args);
};

const run = (frame, name, args) => {
  const made = (factories[name] ??= factory(
    name, began.functions, name, "context, console, require, exports", "return exports;\n",
  ));
  const called = apply(made, undefined, [contextOf(frame), consoleOf(frame), required, undefined]);
  if (typeof called !== "function") throw new TheTypeError(`'exports' of function '${name}' is not a function`);
  return apply(called, undefined, args);
};

const required = (name) => part("modules").required(name);

const consoleOf = (frame) => {
  const log = (level) => (...values) => part("texts").log(frame, level, values);
  return { debug: log("debug"), error: log("error"), info: log("info"), log: log("info"), warn: log("warn") };
};

const contextOf = (frame) => {
  const context = {
    functions: { execute: (name, ...args) => execute(frame, name, args) },
    runningAsSystem: () => frame.isSystem,
    values: { get: (name) => (typeof name === "string" ? own(app().values, name) : undefined) },
    services: {
      get(name) {
        const { services } = app();
        for (let i = 0; i < services.length; i++) if (services[i] === name) return part("mongodb").clientOf(frame, name);
        return undefined;
      },
    },
  };
  const ofApp = (name) => app()[name];
  const ofCall = (name) => seen()[name];
  lazily(context, "app", true, ofApp);
  lazily(context, "environment", true, ofApp);
  lazily(context, "http", true, () => part("http").httpOf(frame));
  lazily(context, "request", true, ofCall);
  lazily(context, "user", true, ofCall);
  return context;
};

const start = async (name, given) => {
  try {
    const args = meant(given);
    let result = await execute({ __proto__: null, id: 0, depth: 0, isSystem: began.isSystem }, name, args);
    if (loaded.mongodb !== undefined && loaded.mongodb.isCursor(result)) result = await result.toArray();
    send("result", 0, result === undefined ? '{"$undefined":true}' : part("forms").returned(result, args));
  } catch (error) {
    let text = '{"name":"","message":"(an error that cannot be read)","stack":""}';
    try {
      text = part("texts").thrown(error);
    } catch {
      // no memory is left for it
    }
    send("thrown", 0, text);
  }
};

/** Let go of all that functions made, while nobody waits: it takes long where it is much. */
const ended = () => {
  forEach([waiting, factories, loaded], (each) => forEach(keysOf(each), (name) => deleteProperty(each, name)));
  forEach(getOwnPropertyNames(world), (name) => deleteProperty(world, name));
  outbox = "";
  began = undefined;
};

const textsOf = (index, text) => ({ __proto__: null, places: parsed(index), text });

/** What the process calls. */
const host = (word, ...given) => {
  if (word === "answer") return void answered(given[0], given[1], given[2]);
  if (word === "take") return taken();
  if (word === "end") return void ended();
  if (word === "parts") return void (partTexts = textsOf(given[0], given[1]));
  lines = given[2];
  began = {
    __proto__: null,
    isSystem: given[1],
    call: given[3],
    app: given[4],
    functions: textsOf(given[5], given[6]),
    packages: given[7],
    modules: given[8],
  };
  if (find(began.packages, '"node:') >= 0) globals(["Buffer", "URL", "URLSearchParams", "process"], "globals");
  return void start(given[0], given[9]);
};

/** Define globals that a part has. */
const globals = (names, name) => forEach(names, (each) => lazily(world, each, false, (asked) => part(name)[asked]));
globals(["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"], "timers");
globals(["utils"], "utils");
globals(["BSON"], "bson");
globals(["EJSON"], "forms");
set(world, "global", world);
lazily(world, "console", false, () => consoleOf(began.first)); // that of packages; each function has its own

// The process reads errors of the engine itself, by what is found here: no function may put itself in between.
for (const { prototype } of [InternalError, RangeError]) {
  set(prototype, "toString", Error.prototype.toString);
  set(prototype, Symbol.toPrimitive, undefined);
  defineProperty(prototype, "stack", getOwnPropertyDescriptor(Error.prototype, "stack"));
  freeze(prototype);
}
defineProperty(Error, "prepareStackTrace", { value: undefined, writable: false, configurable: false });
