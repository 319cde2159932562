exports = async ({ username, secret }) => {
  const users = context.services.get("mongodb-atlas").db("shop").collection("accounts");
  if (secret !== "v3ry-s3cret") {
    throw new Error("Ah ah ah, you didn't say the magic word");
  }
  const found = await users.findOne({ username });
  if (found) {
    return found._id.toString();
  }
  const { insertedId } = await users.insertOne({ username });
  return insertedId.toString();
};
