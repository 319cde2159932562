exports = async function (name, count, session) {
  const stock = context.services.get("mongodb-atlas").db("bakery").collection("stock");
  const { matchedCount } = await stock.updateOne({ name, left: { $gte: count } }, { $inc: { left: -count } }, { session });
  if (matchedCount !== 1) {
    throw new Error(`not enough ${name}`);
  }
};
