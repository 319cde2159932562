// This function is the endpoint's request handler.
exports = async function({ query, headers, body}, response) {
    const {city} = query;
    const contentTypes = headers["Content-Type"];
    const doc = await context.services.get("mongodb-atlas").db("bakery").collection("stock").find({ left: { $gt: 0 } }, { _id: 0 }).toArray();
    console.log("city: ", city, " content types: ", contentTypes);
    return { city, stock: doc, env: context.environment.tag, at: new Date(0), id: BSON.ObjectId("65a1b2c3d4e5f60718293a4b") };
};
