// Names of databases and collections, which programs read as if they were known at once. The engine knows nothing
// at once, so what they get has to be awaited, and says so where it is not.

const awaited = (promise, name) => {
  const refuse = () => {
    throw new TheError(`'${name}' has no result before it is awaited: write 'await' before it`);
  };
  const waits = { __proto__: null };
  forEach(["then", "catch", "finally"], (each) => {
    waits[each] = (...args) => apply(promiseMethods[each], promise, args);
  });
  return new TheProxy(waits, {
    __proto__: null,
    get: (_target, member) => own(waits, member) ?? refuse(),
    has: refuse,
    set: refuse,
    ownKeys: refuse,
    getOwnPropertyDescriptor: refuse,
  });
};

return { awaited };
