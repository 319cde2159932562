// Calls the function of an endpoint with a request and a response, and returns what it made of the response.

const sent = (content) => {
  const isText = content === null || (typeof content !== "object" && typeof content !== "function");
  if (isText || content instanceof BSON.ObjectId) return String(content ?? "").toWellFormed();
  if (content instanceof BSON.Binary || content instanceof Uint8Array) return content;
  throw new TypeError("setBody takes a text or a Binary");
};

exports = async function (name, { query, body }, returnsResult) {
  const answer = { headers: [] };
  const without = (header) => answer.headers.filter(([each]) => each.toLowerCase() !== header.toLowerCase());
  const request = { query: Object.fromEntries(query), headers: { ...context.request.requestHeaders }, body };
  const response = {
    setStatusCode(code) {
      answer.status = Number(code);
    },
    setBody(content) {
      answer.body = sent(content);
    },
    setHeader(header, value) {
      answer.headers = [...without(String(header)), [String(header), String(value)]];
    },
    addHeader(header, value) {
      answer.headers.push([String(header), String(value)]);
    },
  };
  const result = await context.functions.execute(name, request, response);
  if (!returnsResult) delete answer.body;
  else if (answer.body === undefined && result !== undefined) {
    answer.result = typeof result?.toArray === "function" ? await result.toArray() : result;
  }
  return answer;
};
