// What the engine does in one step of its own ends at no limit of time: such steps are kept short here.

const MOST_ELEMENTS = 2 ** 25; // of an array with gaps: no array that is full is as long
const MOST_COMPARED = 2 ** 32; // characters, as many times as they may be compared in a search
const ELEMENTS_A_TURN = 2 ** 8;
const COMPARED_A_TURN = 2 ** 12;

/** Take turns in which the engine looks at the time: it counts steps, however long they are. */
const spend = (turns) => {
  for (let i = 0; i < turns; i++);
};

/** Tell whether `concat` takes the elements of a value, and not the value. */
const isSpread = (value) => isArray(value) || (isObject(value) && value[isConcatSpreadable]);

const refuseLong = (self, args) => {
  let most = isObject(self) ? toNumber(self.length) : 0;
  for (let i = 0; i < args.length; i++) if (isSpread(args[i]) && args[i].length > most) most = args[i].length;
  if (most > MOST_ELEMENTS) throw new TheRangeError(`an array is longer than ${MOST_ELEMENTS}`);
  spend(most / ELEMENTS_A_TURN);
};

const refuseSearch = (self, args) => {
  if (typeof self !== "string" || typeof args[0] !== "string") return;
  const most = (self.length - args[0].length) * args[0].length;
  if (most > MOST_COMPARED) throw new TheRangeError("a text is too long for a search with one that is so long");
  spend(most / COMPARED_A_TURN);
};

/** Put a condition before methods of a prototype. */
const bound = (prototype, names, refuse) => {
  for (const name of names) {
    const method = prototype[name];
    const bounded = {
      [name](_) {
        refuse(this, arguments);
        return apply(method, this, arguments);
      },
    }[name];
    if (method.length !== 1) defineProperty(bounded, "length", { value: method.length });
    prototype[name] = bounded;
  }
};

const SHORT = ["constructor", "at", "entries", "keys", "length", "pop", "push", "values"];
const ofArrays = getOwnPropertyNames(Array.prototype).filter((name) => !SHORT.includes(name));
bound(Array.prototype, ofArrays, refuseLong);
bound(String.prototype, ["includes", "indexOf", "lastIndexOf", "replace", "replaceAll", "split"], refuseSearch);
bound(Iterator.prototype, ["drop"], (_self, args) => refuseLong({ length: args[0] }, []));
bound(String, ["raw"], (_self, args) => refuseLong(args[0]?.raw, []));
