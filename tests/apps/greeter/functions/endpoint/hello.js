exports = function (request) {
  const { name } = request.body ? JSON.parse(request.body.text()) : {};
  return { date: new Date(1683248523456), greeting: `Hello, ${name ?? "stranger"}!` };
};
