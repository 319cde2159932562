exports = async ({ token, tokenId, username }) => {
  if (username.includes("auto_verify")) {
    return { status: "success" };
  }
  if (username.includes("pending_verify")) {
    const letters = context.services.get("mongodb-atlas").db("shop").collection("letters");
    await letters.insertOne({ username, token, tokenId });
    return { status: "pending" };
  }
  return { status: "fail" };
};
