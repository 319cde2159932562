exports = async function(changeEvent) {
  const docId = changeEvent.documentKey._id;
  const fullDocument = changeEvent.fullDocument;
  const stats = context.services.get("mongodb-atlas").db("bakery").collection("stats");
  await stats.updateOne({ _id: "orders" }, { $inc: { count: 1, total: fullDocument.total }, $set: { last: docId, op: changeEvent.operationType } }, { upsert: true });
};
