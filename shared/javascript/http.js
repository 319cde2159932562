// context.http: requests to other hosts, of which the process decides.

const { formOf, written } = part("forms");

const requestOf = (name, given) => {
  if (!isObject(given)) throw new TheTypeError(`http.${name}: a request is an object with its 'url'`);
  const request = create(null);
  forEach(keysOf(given), (member) => (request[member] = given[member]));
  const { body } = request;
  const isValue = isObject(body) && formOf(body) !== undefined;
  if (request.encodeBodyAsJSON === true && body !== undefined && typeof body !== "string" && !isValue) {
    request.body = written(body);
  }
  return written(request);
};

const put = (object, name, value) =>
  defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });

/** Return pairs of names and values as an object: of each name all values, or the last. */
const grouped = (pairs, hasAll) => {
  const values = create(null);
  forEach(pairs, (pair) => {
    if (hasAll) put((values[pair[0]] ??= []), values[pair[0]].length, pair[1]);
    else values[pair[0]] = pair[1];
  });
  const object = {};
  forEach(keysOf(values), (name) => put(object, name, values[name]));
  return object;
};
const replyOf = (reply) => {
  reply.headers = grouped(reply.headers, true);
  reply.cookies = grouped(reply.cookies, false);
  return reply;
};

const httpOf = (frame) => {
  const http = {};
  forEach(["delete", "get", "head", "patch", "post", "put"], (name) => {
    http[name] = async (request) =>
      await then(asked("http", frame, `{"method":"${name}","argument":${requestOf(name, request)}}`), replyOf);
  });
  return http;
};

return { httpOf };
