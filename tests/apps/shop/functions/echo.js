exports = async function (collection, ...args) {
  const found = context.services.get("mongodb-atlas").db("shop").collection(collection);
  return [context.user.id, await found.count(), ...args];
};
