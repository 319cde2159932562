exports = async ({ token, tokenId, username, password, currentPasswordValid }, ...answers) => {
  const letters = context.services.get("mongodb-atlas").db("shop").collection("letters");
  await letters.insertOne({ username, token, tokenId, currentPasswordValid, answers });
  if (answers[0] === "the dog's name" || currentPasswordValid) {
    return { status: "success" };
  }
  return { status: answers[0] === "by letter" ? "pending" : "fail" };
};
