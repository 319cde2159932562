exports = async function (authEvent) {
  const { user, time, operationType, providers } = authEvent;
  const notes = context.services.get("mongodb-atlas").db("shop").collection("notes");
  await notes.insertOne({ ...user, operationType, providers, time, caller: context.user.type });
};
