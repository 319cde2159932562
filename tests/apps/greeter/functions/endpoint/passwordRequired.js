exports = ({ query, body }) => ({ ok: 1, query, body: body?.text(), raw: context.request.rawQueryString });
