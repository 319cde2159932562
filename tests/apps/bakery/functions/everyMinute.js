exports = function() {
  const ticks = context.services.get("mongodb-atlas").db("bakery").collection("ticks");
  return ticks.insertOne({ at: new Date(), env: context.environment.tag });
};
