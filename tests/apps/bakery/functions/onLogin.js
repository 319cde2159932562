exports = async function(authEvent) {
  const { user, time, operationType, providers } = authEvent;
  await context.services.get("mongodb-atlas").db("bakery").collection("logins").insertOne({ user: user.id, email: user.data.email, time, operationType, providers });
};
