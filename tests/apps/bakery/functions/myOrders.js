exports = async function(){
  return context.services.get("mongodb-atlas").db("bakery").collection("orders").find({}).sort({placed: -1}).toArray();
};
