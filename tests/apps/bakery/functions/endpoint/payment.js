exports = async function(request, response) {
  try {
    if(request.body === undefined) {
      throw new Error(`Request body was not defined.`);
    }
    const payload = EJSON.parse(request.body.text());
    const orders = context.services.get("mongodb-atlas").db("bakery").collection("orders");
    const { matchedCount } = await orders.updateOne({ _id: new BSON.ObjectId(payload.order) }, { $set: { state: "paid" } });
    response.setStatusCode(matchedCount ? 200 : 404);
    response.setHeader("Content-Type", "application/json");
    response.addHeader("X-Payment", "yes");
    response.setBody(JSON.stringify({ matchedCount }));
  } catch (error) {
    response.setStatusCode(400);
    response.setBody(error.message);
  }
};
