exports = async function (request, response) {
  const visits = context.services.get("mongodb-atlas").db("shop").collection("items");
  response.setHeader("Content-Type", "text/html");
  response.addHeader("Link", "</a>; rel=first");
  response.addHeader("link", "</z>; rel=last");
  response.setBody(`<p>${await visits.count()} ${context.user.type} ${context.runningAsSystem()}</p>`);
};
