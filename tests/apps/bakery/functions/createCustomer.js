exports = async function onUserCreation(user) {
  const customers = context.services.get("mongodb-atlas").db("bakery").collection("customers");
  try {
    await customers.insertOne({ userId: user.id, email: user.data.email, points: 0, joined: new Date() });
  } catch (e) {
    console.error(`Failed to create custom user data document for user: ${user.id}`);
    throw e;
  }
};
