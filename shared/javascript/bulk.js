// Writes that are gathered and sent together, as older drivers have them: initializeOrderedBulkOp and its like.

const bulkOf = (ask, ordered) => {
  const operations = [];
  let isSent = false;
  const add = (name, members) => {
    if (isSent) throw new TheError("the bulk was executed already");
    set(operations, operations.length, { __proto__: null, [name]: members });
    return bulk;
  };
  const bulk = {
    insert: (document) => add("insertOne", { __proto__: null, document }),
    find: (filter) => {
      if (!isObject(filter)) throw new TheTypeError("find: the query of a bulk must be an object");
      const shared = { __proto__: null, filter };
      const changed = (name, members) => add(name, { ...shared, ...members });
      const found = {
        upsert() {
          shared.upsert = true;
          return found;
        },
        arrayFilters(arrayFilters) {
          shared.arrayFilters = arrayFilters;
          return found;
        },
        update: (update) => changed("updateMany", { update }),
        updateMany: (update) => changed("updateMany", { update }),
        updateOne: (update) => changed("updateOne", { update }),
        replaceOne: (replacement) => changed("replaceOne", { replacement }),
      };
      forEach(["delete", "deleteMany", "remove"], (name) => (found[name] = () => add("deleteMany", { filter })));
      forEach(["deleteOne", "removeOne"], (name) => (found[name] = () => add("deleteOne", { filter })));
      return found;
    },
    async execute(options) {
      if (isSent) throw new TheError("the bulk was executed already");
      isSent = true;
      const outcome = await ask("bulkWrite", { operations }, { ordered }, options);
      const { matchedCount, modifiedCount, deletedCount, insertedCount, upsertedCount } = outcome;
      return {
        ...outcome,
        nInserted: insertedCount,
        nMatched: matchedCount,
        nModified: modifiedCount,
        nRemoved: deletedCount,
        nUpserted: upsertedCount,
      };
    },
  };
  return bulk;
};

return { bulkOf };
