// The client of MongoDB that functions have. What it is asked goes out as the methods of the SDKs' service.

const { written } = part("forms");

const cursors = new TheWeakMap();
const isCursor = (value) => isObject(value) && kept(cursors, value) !== undefined;

const PARTS = {
  __proto__: null, filter: 1, query: 1, pipeline: 1, arrayFilters: 1, sort: 1, projection: 1, project: 1, let: 1,
};

/** Return the Extended JSON of arguments; what is searched by is refused where something in it is undefined. */
const argumentsOf = (members) => {
  let text = "";
  const names = keysOf(members);
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (members[name] === undefined) continue;
    const form = name === "operations" ? operationsOf(members[name]) : written(members[name], PARTS[name] === 1);
    text += `${text === "" ? "" : ","}${quoted(name)}:${form}`;
  }
  return `{${text}}`;
};

/** Return the Extended JSON of writes, whose members are arguments like those of the methods of their names. */
const operationsOf = (operations) => {
  let text = "";
  for (let i = 0; i < operations.length; i++) {
    const operation = operations[i];
    const names = keysOf(operation);
    let form = "";
    for (let k = 0; k < names.length; k++) {
      const members = operation[names[k]];
      form += `${k ? "," : ""}${quoted(names[k])}:${isObject(members) ? argumentsOf(members) : written(members)}`;
    }
    text += `${i ? "," : ""}{${form}}`;
  }
  return `[${text}]`;
};

const sessionOf = (given) => {
  if (given === undefined || given === null) return undefined;
  const session = isObject(given) ? loaded.sessions?.stateOf(given) : undefined;
  if (session === undefined) throw new TheTypeError("'session' is not a session of this call");
  return session;
};

/** Ask a method of a collection. */
const method = async (target, name, required, members, options) => {
  forEach(keysOf(required), (each) => {
    if (!isObject(required[each])) throw new TheTypeError(`${name}: '${each}' must be an object`);
  });
  const given = create(null);
  forEach([isObject(options) ? options : {}, required, members, target.namespace], (part) => {
    forEach(keysOf(part), (each) => {
      given[each] = part[each];
    });
  });
  const session = sessionOf(given.session);
  delete given.session;
  const id = session !== undefined && session.isOpen ? session.id : 0;
  const asking = `{"session":${id},"service":${quoted(target.service)},"name":"${name}"`;
  return await asked("call", target.frame, `${asking},"arguments":[${argumentsOf(given)}]}`);
};

const cursorOf = (ask, members, canChange) => {
  let found;
  let at = 0;
  const all = () => (found ??= ask(members));
  const change = (name) => (value) => {
    if (found !== undefined) throw new TheError(`'${name}' cannot change a cursor that was read from`);
    members[name] = value;
    return cursor;
  };
  const cursor = {
    async next() {
      const documents = await all();
      return at < documents.length ? documents[at++] : undefined;
    },
    async toArray() {
      const documents = await all();
      const rest = [];
      while (at < documents.length) set(rest, rest.length, documents[at++]);
      return rest;
    },
    async forEach(callback) {
      for (let each = await cursor.next(); each !== undefined; each = await cursor.next()) callback(each);
    },
  };
  forEach(canChange, (name) => set(cursor, name, change(name)));
  set(cursor, asyncIterator, () => ({
    async next() {
      const value = await cursor.next();
      return { value, done: value === undefined };
    },
  }));
  keep(cursors, cursor, true);
  return cursor;
};

const writeOf = (operation) => {
  if (!isObject(operation)) throw new TheTypeError("bulkWrite: an operation must be an object");
  const names = keysOf(operation);
  const members = operation.insertOne;
  if (names.length !== 1 || names[0] !== "insertOne" || !isObject(members) || members.document !== undefined) {
    return operation;
  }
  return { insertOne: { document: members } };
};

const collectionOf = (frame, service, database, collection) => {
  const target = { __proto__: null, frame, service, namespace: { __proto__: null, database, collection } };
  const ask = (name, required, members, options) => method(target, name, required, members, options);
  return {
    find: (query = {}, project = undefined, options = {}) =>
      cursorOf((asked) => ask("find", { query }, { project, ...asked }, options), {}, ["sort", "skip", "limit"]),
    findOne: (query = {}, project = undefined, options = {}) => ask("findOne", { query }, { project }, options),
    findOneAndUpdate: (filter, update, options) => ask("findOneAndUpdate", { filter, update }, {}, options),
    findOneAndReplace: (filter, replacement, options) => ask("findOneAndReplace", { filter, replacement }, {}, options),
    findOneAndDelete: (filter, options) => ask("findOneAndDelete", { filter }, {}, options),
    insertOne: (document, options) => ask("insertOne", { document }, {}, options),
    insertMany: (documents, options) => ask("insertMany", { documents }, {}, options),
    updateOne: (filter, update, options) => ask("updateOne", { filter, update }, {}, options),
    updateMany: (filter, update, options) => ask("updateMany", { filter, update }, {}, options),
    deleteOne: (filter, options) => ask("deleteOne", { filter }, {}, options),
    deleteMany: (filter, options) => ask("deleteMany", { filter }, {}, options),
    aggregate: (pipeline, options) => {
      const stages = ({ skip }) => {
        if (skip === undefined || !isArray(pipeline)) return pipeline;
        const all = [];
        forEach(pipeline, (stage) => set(all, all.length, stage));
        set(all, all.length, { $skip: skip });
        return all;
      };
      return cursorOf((asked) => ask("aggregate", { pipeline: stages(asked) }, {}, options), {}, ["skip"]);
    },
    count: (query = {}, options = {}) => ask("count", { query }, {}, options),
    distinct: (key, query = {}, options = {}) => ask("distinct", { query }, { key: toText(key) }, options),
    bulkWrite: async (operations, options) => {
      if (!isArray(operations)) throw new TheTypeError("bulkWrite: 'operations' must be an array");
      const writes = [];
      for (let i = 0; i < operations.length; i++) set(writes, i, writeOf(operations[i]));
      await ask("bulkWrite", { operations: writes }, {}, options);
      return null;
    },
    initializeOrderedBulkOp: () => part("bulk").bulkOf(ask, true),
    initializeUnorderedBulkOp: () => part("bulk").bulkOf(ask, false),
  };
};

const namesOf = (frame, service, name, database) => {
  const target = { __proto__: null, frame, service, namespace: { __proto__: null, database } };
  return part("listing").awaited(method(target, name, {}, {}, {}), name);
};

const databaseOf = (frame, service, database) => ({
  aggregate: (pipeline, options) => collectionOf(frame, service, database, "").aggregate(pipeline, options),
  collection: (collection) => collectionOf(frame, service, database, toText(collection)),
  getCollectionNames: () => namesOf(frame, service, "getCollectionNames", database),
});

const clientOf = (frame, service) => ({
  admin: () => ({ getDBNames: () => namesOf(frame, service, "getDBNames") }),
  db: (database) => databaseOf(frame, service, toText(database)),
  startSession: () => part("sessions").sessionFor(frame, service),
});

return { clientOf, isCursor };
