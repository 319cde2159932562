exports = function(payload, response) {
    const orders = context.services.get("mongodb-atlas").db("bakery").collection("orders");
    return orders.aggregate([
      { $group: { _id: "$state", orders: { $sum: 1 }, total: { $sum: "$total" } } },
      { $sort: { _id: 1 } },
    ]).toArray();
};
