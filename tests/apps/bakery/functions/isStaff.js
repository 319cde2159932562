exports = async function(userId) {
  const staff = context.services.get("mongodb-atlas").db("bakery").collection("staff");
  const found = await staff.findOne({ userId });
  return found !== null;
};
