exports = async function onUserCreation(user) {
  if ((user.data.email || "").includes("refused")) {
    throw new Error("not this one");
  }
  const people = context.services.get("mongodb-atlas").db("shop").collection("people");
  await people.insertOne({ user_id: user.id, provider: user.identities[0].provider_type, colour: "blue" });
};
