/*
  Places an order: takes what is sold out of the stock, all or nothing.
*/
exports = async function placeOrder(items) {
  const client = context.services.get("mongodb-atlas");
  const db = client.db("bakery");
  const session = client.startSession();
  const transactionOptions = {
    readPreference: "primary",
    readConcern: { level: "local" },
    writeConcern: { w: "majority" },
  };
  const prices = context.values.get("prices");
  let orderId;
  try {
    await session.withTransaction(async () => {
      for (const { name, count } of items) {
        await context.functions.execute("takeStock", name, count, session);
      }
      const total = items.reduce((sum, { name, count }) => sum + prices[name] * count, 0);
      const result = await db.collection("orders").insertOne(
        { customer: context.user.id, items, total, state: "new", placed: new Date() }, { session });
      orderId = result.insertedId;
    }, transactionOptions);
  } catch (err) {
    await session.abortTransaction();
    throw new Error(`order failed: ${err.message}`);
  } finally {
    await session.endSession();
  }
  return { orderId, currency: context.environment.values.currency };
};
