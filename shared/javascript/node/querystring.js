// Queries of addresses.

const escape = (text) => encodeURIComponent(text).replace(/%7E/g, "~");
const unescape = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return require("buffer").Buffer.from(globalThis.unescape(text), "latin1").toString();
  }
};
const written = (value) => {
  if (typeof value === "string") return value;
  return ["boolean", "bigint"].includes(typeof value) || Number.isFinite(value) ? `${value}` : "";
};

const querystring = {
  escape,
  unescape,
  stringify(members, separator = "&", equals = "=", options = {}) {
    if (typeof members !== "object" || members === null) return "";
    const encode = options?.encodeURIComponent ?? querystring.escape;
    const pair = (name, value) => encode(name) + (equals || "=") + encode(written(value));
    return Object.keys(members)
      .flatMap((name) => [].concat(members[name]).map((value) => pair(name, value)))
      .join(separator || "&");
  },
  parse(text, separator = "&", equals = "=", options = {}) {
    const members = Object.create(null);
    if (typeof text !== "string" || text === "") return members;
    const decode = options?.decodeURIComponent ?? querystring.unescape;
    const read = (part) => decode(part.replace(/\+/g, " "));
    const most = options?.maxKeys ?? 1000;
    for (const pair of text.split(separator || "&").slice(0, most > 0 ? most : undefined)) {
      if (pair === "") continue;
      const at = pair.indexOf(equals || "=");
      const name = read(at < 0 ? pair : pair.slice(0, at));
      const value = at < 0 ? "" : read(pair.slice(at + (equals || "=").length));
      members[name] = name in members ? [].concat(members[name], value) : value;
    }
    return members;
  },
};
querystring.encode = querystring.stringify;
querystring.decode = querystring.parse;

module.exports = querystring;
