exports = async ({ body }, response) => {
  if (body === undefined) {
    throw new Error("the body is missing");
  }
  const owner = context.user.id;
  const visits = context.services.get("mongodb-atlas").db("shop").collection("items");
  const { insertedId } = await visits.insertOne({ _id: new BSON.ObjectId(), owner, text: body.text() });
  response.setStatusCode(201);
  response.setHeader("Content-Type", "application/json");
  response.setBody(JSON.stringify({ insertedId: String(insertedId) }));
};
