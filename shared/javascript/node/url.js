// Addresses, taken apart and put together.

const querystring = require("querystring");

const PORTS = { __proto__: null, "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21" };
const PARTS = /^([a-z][a-z0-9+.-]*:)?(\/\/)?(.*)$/is;

const percent = (text, keep) => Array.from(text.toWellFormed(), (each) => (keep.test(each) ? each : encodeURIComponent(each))).join("");
const PATH = /[!$%&-;=@-Z[\]_a-z|~\\^]/;
const QUERY = /[!$%&(-;=?-Z[-`_a-z{-~]/;
const HASH = /[!#-;=?-_a-z{-~]/;

const invalid = (input) => Object.assign(new TypeError(`Invalid URL: ${input}`), { code: "ERR_INVALID_URL", input });

class URLSearchParams {
  #pairs = [];
  #changed;
  constructor(init = "", changed = () => undefined) {
    this.#changed = changed;
    if (typeof init === "string") this.#read(init);
    else if (typeof init?.[Symbol.iterator] === "function") for (const [name, value] of init) this.#pairs.push([`${name}`, `${value}`]);
    else if (typeof init === "object" && init !== null) for (const name of Object.keys(init)) this.#pairs.push([name, `${init[name]}`]);
  }
  #read(text) {
    const decoded = (part) => querystring.unescape(part.replace(/\+/g, " "));
    for (const pair of text.replace(/^\?/, "").split("&")) {
      if (pair === "") continue;
      const at = pair.indexOf("=");
      this.#pairs.push(at < 0 ? [decoded(pair), ""] : [decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))]);
    }
  }
  append(name, value) {
    this.#pairs.push([`${name}`, `${value}`]);
    this.#changed(this);
  }
  delete(name) {
    this.#pairs = this.#pairs.filter(([each]) => each !== `${name}`);
    this.#changed(this);
  }
  get(name) {
    return this.#pairs.find(([each]) => each === `${name}`)?.[1] ?? null;
  }
  getAll(name) {
    return this.#pairs.filter(([each]) => each === `${name}`).map(([, value]) => value);
  }
  has(name) {
    return this.#pairs.some(([each]) => each === `${name}`);
  }
  set(name, value) {
    const at = this.#pairs.findIndex(([each]) => each === `${name}`);
    if (at < 0) return this.append(name, value);
    this.#pairs = this.#pairs.filter(([each], i) => i <= at || each !== `${name}`);
    this.#pairs[at] = [`${name}`, `${value}`];
    return this.#changed(this);
  }
  sort() {
    this.#pairs.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
    this.#changed(this);
  }
  forEach(callback, self) {
    for (const [name, value] of this.#pairs) callback.call(self, value, name, this);
  }
  *entries() {
    for (const [name, value] of this.#pairs) yield [name, value];
  }
  *keys() {
    for (const [name] of this.#pairs) yield name;
  }
  *values() {
    for (const [, value] of this.#pairs) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  get size() {
    return this.#pairs.length;
  }
  toString() {
    const encoded = (text) =>
      encodeURIComponent(text.toWellFormed()).replace(/%20/g, "+").replace(/[!'()~]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
    return this.#pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&");
  }
}

/** Return a path without `.` and `..`. */
const plain = (path) => {
  const parts = path.split("/");
  const found = [];
  parts.forEach((part, i) => {
    const isLast = i === parts.length - 1;
    if (part === "..") {
      if (found.length > 1) found.pop();
      if (isLast) found.push("");
    } else if (part !== ".") found.push(part);
    else if (isLast) found.push("");
  });
  return found.join("/");
};

class URL {
  #parts;
  #params;
  constructor(input, base = undefined) {
    this.#parts = URL.#read(`${input}`.trim(), base === undefined ? undefined : new URL(base));
    this.#params = new URLSearchParams(this.search, (params) => {
      this.#parts.search = `${params}` === "" ? "" : `?${params}`;
    });
  }
  static canParse(input, base) {
    try {
      return Boolean(new URL(input, base));
    } catch {
      return false;
    }
  }
  static #read(input, base) {
    const [, scheme, slashes, rest] = PARTS.exec(input);
    const protocol = scheme?.toLowerCase() ?? base?.protocol;
    if (protocol === undefined) throw invalid(input);
    const [, before, search = "", hash = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(rest);
    const parts = { protocol, username: "", password: "", hostname: "", port: "", pathname: "", search: search === "?" ? "" : percent(search, QUERY), hash: hash === "#" ? "" : percent(hash, HASH) };
    const isSpecial = protocol in PORTS || protocol === "file:";
    if (slashes || (scheme !== undefined && isSpecial)) return URL.#withHost(parts, before, input, isSpecial);
    if (scheme !== undefined) return { ...parts, pathname: before };
    if (base.pathname[0] !== "/" && base.host === "") throw invalid(input);
    const path = before.startsWith("/") ? before : base.pathname.replace(/[^/]*$/, "") + before;
    return {
      ...parts, username: base.username, password: base.password, hostname: base.hostname, port: base.port,
      pathname: before === "" ? base.pathname : plain(percent(path, PATH)),
      search: before === "" && search === "" ? base.search : parts.search,
    };
  }
  static #withHost(parts, before, input, isSpecial) {
    const [, authority, path] = /^([^/\\]*)(.*)$/s.exec(isSpecial ? before.replace(/^[/\\]+/, parts.protocol === "file:" ? "/" : "") : before);
    const [, , user, password, hostname, port = ""] = /^(([^:]*)(?::(.*))?@)?(\[[^\]]*\]|[^:]*)(?::(\d*))?$/s.exec(authority) ?? [];
    if (hostname === undefined || (hostname === "" && isSpecial && parts.protocol !== "file:") || /[\s#%<>?@\\^|]/.test(hostname) || port > 65535) throw invalid(input);
    return {
      ...parts,
      username: percent(user ?? "", /[!$%&(-.0-9A-Z_a-z~]/),
      password: percent(password ?? "", /[!$%&(-.0-9A-Z_a-z~]/),
      hostname: isSpecial ? hostname.toLowerCase() : hostname,
      port: port === "" || `${+port}` === PORTS[parts.protocol] ? "" : `${+port}`,
      pathname: plain(percent(isSpecial ? path.replace(/\\/g, "/") || "/" : path, PATH)),
    };
  }
  get origin() {
    return this.protocol in PORTS ? `${this.protocol}//${this.host}` : "null";
  }
  get host() {
    return this.hostname + (this.port === "" ? "" : `:${this.port}`);
  }
  set host(value) {
    const { hostname, port } = new URL(`${this.protocol}//${value}`);
    Object.assign(this.#parts, { hostname, port });
  }
  get href() {
    const { protocol, username, password, pathname, search, hash } = this.#parts;
    const user = username || password ? `${username}${password && `:${password}`}@` : "";
    const slashes = this.host !== "" || protocol === "file:" ? "//" : "";
    return protocol + slashes + user + this.host + pathname + search + hash;
  }
  set href(value) {
    this.#parts = URL.#read(`${value}`, undefined);
    this.#params = new URLSearchParams(this.search, (params) => {
      this.#parts.search = `${params}` === "" ? "" : `?${params}`;
    });
  }
  get searchParams() {
    return this.#params;
  }
  get search() {
    return this.#parts.search;
  }
  set search(value) {
    const text = `${value}`.replace(/^\?/, "");
    this.href = new URL(text === "" ? this.href.replace(/\?[^#]*/, "") : `?${text}${this.hash}`, this.href).href;
  }
  toString() {
    return this.href;
  }
  toJSON() {
    return this.href;
  }
  static {
    const named = (name, change) =>
      Object.defineProperty(URL.prototype, name, {
        get() {
          return this.#parts[name];
        },
        set(value) {
          this.#parts[name] = change(`${value}`, this);
        },
        enumerable: true,
        configurable: true,
      });
    named("protocol", (value) => `${value.replace(/:.*/s, "").toLowerCase()}:`);
    named("username", (value) => encodeURIComponent(value));
    named("password", (value) => encodeURIComponent(value));
    named("hostname", (value) => value.toLowerCase());
    named("port", (value, url) => (value === PORTS[url.protocol] ? "" : value));
    named("pathname", (value) => plain(percent(value.startsWith("/") ? value : `/${value}`, PATH)));
    named("hash", (value) => (value === "" ? "" : percent(value.startsWith("#") ? value : `#${value}`, HASH)));
  }
}

function Url() {
  for (const name of ["protocol", "slashes", "auth", "host", "port", "hostname", "hash", "search", "query", "pathname", "path", "href"]) this[name] = null;
}

const parse = (address, parseQuery = false, slashesDenoteHost = false) => {
  if (address instanceof Url) return address;
  if (typeof address !== "string") throw new TypeError('The "url" argument must be of type string');
  const url = new Url();
  const [, scheme, slashes, rest] = PARTS.exec(address.trim().replace(/^[^?#]*/, (before) => before.replace(/\\/g, "/")));
  url.protocol = scheme?.toLowerCase() ?? null;
  const [, before, search = null, hash = null] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(rest);
  url.hash = hash && percent(hash, HASH);
  url.search = search === null ? (parseQuery ? "" : null) : search.replace(/[ "'<>\\^`{|}]/g, (each) => encodeURIComponent(each).replace("'", "%27"));
  const query = url.search === null ? null : url.search.slice(1);
  url.query = parseQuery ? querystring.parse(query ?? "") : query;
  const hasHost = slashes && (scheme !== undefined || slashesDenoteHost);
  let path = slashes && !hasHost ? slashes + before : before;
  if (hasHost) {
    url.slashes = true;
    const [, authority, after] = /^([^/]*)(.*)$/s.exec(before);
    const at = authority.lastIndexOf("@");
    if (at >= 0) url.auth = querystring.unescape(authority.slice(0, at));
    const [, hostname, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority.slice(at + 1)) ?? [, authority.slice(at + 1)];
    url.port = port || null;
    url.hostname = hostname.toLowerCase().replace(/^\[|\]$/g, "");
    url.host = hostname.toLowerCase() + (url.port ? `:${port}` : "");
    path = after === "" && (url.protocol in PORTS || url.protocol === "file:") ? "/" : after;
  }
  const isOpaque = ["javascript:"].includes(url.protocol);
  url.pathname = path === "" ? null : isOpaque ? path : path.replace(/[ "'<>\\^`{|}]/g, (each) => (each === "'" ? "%27" : encodeURIComponent(each)));
  url.path = url.pathname === null && url.search === null ? null : (url.pathname ?? "") + (url.search ?? "");
  if (parseQuery && search === null) url.path = url.pathname;
  url.href = format(url);
  return url;
};

const format = (url) => {
  if (typeof url === "string") return format(parse(url));
  if (url instanceof URL) return url.href;
  const protocol = url.protocol ? url.protocol.replace(/:?$/, ":") : "";
  const auth = url.auth ? `${encodeURIComponent(url.auth).replace(/%3A/i, ":")}@` : "";
  const isNumbers = url.hostname?.includes(":");
  const named = url.hostname ? (isNumbers ? `[${url.hostname}]` : url.hostname) + (url.port ? `:${url.port}` : "") : "";
  const host = url.host ? auth + url.host : named && auth + named;
  const query = typeof url.query === "object" && url.query !== null ? querystring.stringify(url.query) : "";
  const search = (url.search ?? (query && `?${query}`)).replace(/^(?=[^?])/, "?").replace(/#/g, "%23");
  const hash = url.hash ? url.hash.replace(/^(?=[^#])/, "#") : "";
  const hasSlashes = url.slashes || ((protocol in PORTS || protocol === "file:") && host !== "");
  const path = (url.pathname ?? "").replace(/[?#]/g, encodeURIComponent);
  return protocol + (hasSlashes ? `//${host}${path && path[0] !== "/" ? "/" : ""}` : host) + path + search + hash;
};

const resolve = (from, to) => {
  const resolved = new URL(to, new URL(from, "resolve://resolve/"));
  if (resolved.protocol !== "resolve:") return resolved.href;
  const { pathname, search, hash } = resolved;
  return (from.startsWith("/") || to.startsWith("/") ? pathname : pathname.slice(1)) + search + hash;
};

module.exports = { URL, URLSearchParams, Url, format, parse, resolve };
