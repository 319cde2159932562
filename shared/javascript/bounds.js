// What the engine does in one step of its own ends at no limit of time: such steps are kept short here.

const MOST_ELEMENTS = 2 ** 25; // of an array with gaps: no array that is full is as long
const MOST_COMPARED = 2 ** 32; // characters, as many times as they may be compared in a search

const isLong = (value) => isObject(value) && toNumber(value.length) > MOST_ELEMENTS;

const refuseLong = (self, args) => {
  let refused = isLong(self);
  for (let i = 0; i < args.length; i++) refused ||= isArray(args[i]) && isLong(args[i]);
  if (refused) throw new TheRangeError(`an array is longer than ${MOST_ELEMENTS}`);
};

const refuseSearch = (self, [searched]) => {
  if (typeof self !== "string" || typeof searched !== "string") return;
  const most = (self.length - searched.length) * searched.length;
  if (most > MOST_COMPARED) throw new TheRangeError("a text is too long for a search with one that is so long");
};

/** Put a condition before methods of a prototype. */
const bound = (prototype, names, refuse) => {
  for (const name of names) {
    const method = prototype[name];
    const { [name]: bounded } = {
      [name](...args) {
        refuse(this, args);
        return apply(method, this, args);
      },
    };
    defineProperty(bounded, "length", { value: method.length });
    set(prototype, name, bounded);
  }
};

const SHORT = ["constructor", "at", "entries", "keys", "length", "pop", "push", "values"];
const ofArrays = getOwnPropertyNames(Array.prototype).filter((name) => !SHORT.includes(name));
bound(Array.prototype, ofArrays, refuseLong);
bound(String.prototype, ["includes", "indexOf", "lastIndexOf", "replace", "replaceAll", "split"], refuseSearch);
bound(String, ["raw"], (_self, [template]) => refuseLong(template?.raw, []));
