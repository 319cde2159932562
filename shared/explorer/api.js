// Calls of the service: who calls stays in this module's memory, and nowhere else.

const ROOT = new URL(".", document.baseURI);
const EJSON = "application/ejson";

/** The code of a failure of which nobody knows what became of the call. */
export const NO_REPLY = "NoReply";

let credential = null;
let session = new AbortController(); // ends when one signs out

/** What went wrong; it `isUndone` where the service says so: by Retry-After, with which nothing was written. */
export class Failure extends Error {
  isUndone = false;

  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Which app and which data source are meant; where no app is named, the first source is, if none is. */
export const place = { app: "", dataSource: "" };

/** Who is signed in: as which of "key", "user" and "anonymous", and which user; of a key nothing is known. */
export const who = { way: "", name: "", id: "" };

export const USUAL_SOURCE = "mongodb-atlas"; // the name of Atlas's own

export function dataSource() {
  return place.dataSource || (place.app ? USUAL_SOURCE : "");
}

function actionUrl(action) {
  return place.app ? atlasUrl(action, place.app) : new URL(`data/v1/action/${action}`, ROOT).href;
}

/** Return the URL of an action of an app, which is Atlas's but for the host. */
export function atlasUrl(action, app) {
  return new URL(`app/${encodeURIComponent(app)}/endpoint/data/v1/action/${action}`, ROOT).href;
}

export function signedIn() {
  return credential !== null;
}

export function signOut() {
  end(credential?.refresh);
  use(null, NOBODY);
  session.abort();
  session = new AbortController();
}

const NOBODY = { way: "", name: "", id: "" };

function use(given, person) {
  credential = given;
  Object.assign(who, person);
}

/** End a session of a user where it is stored, too: nobody waits for that, nor is told if it fails. */
function end(refresh) {
  if (refresh) client("DELETE", "auth/session", undefined, refresh, { keepalive: true }).catch(() => {});
}

/**
 * Sign in with a key or as a user of the app: `prove` is one of the three below.
 * Return the databases; throw Failure, and leave who was signed in as it was, if the service refuses.
 */
export async function signIn(prove) {
  const before = [credential, { ...who }];
  const asking = session.signal;
  try {
    await prove();
    const reply = await call("listDatabases", bodyOf({}), { headers: { Accept: "application/json" } });
    return JSON.parse(reply.text).databases;
  } catch (error) {
    if (asking.aborted) await never();
    if (credential !== before[0]) end(credential?.refresh);
    use(...before);
    throw error;
  }
}

export const byKey = (key) => async () => use({ headers: { apiKey: key } }, { ...NOBODY, way: "key" });
export const asUser = (username, password) => () => logIn("user", "local-userpass", { username, password });
export const anonymously = () => logIn("anonymous", "anon-user", {});

async function logIn(way, provider, body) {
  const asking = session.signal;
  const reply = await client("POST", `app/${encodeURIComponent(place.app)}/auth/providers/${provider}/login`, body);
  if (asking.aborted) {
    end(reply.refresh_token);
    await never();
  }
  use({ refresh: reply.refresh_token, headers: { Authorization: `Bearer ${reply.access_token}` } },
    { way, name: body.username ?? "an anonymous user", id: reply.user_id ?? "" });
}

async function client(method, path, body, token, options = {}) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await sent(new URL(`api/client/v2.0/${path}`, ROOT), {
    ...options, method, headers, body: body === undefined ? undefined : JSON.stringify(body),
  });
  return JSON.parse(await read(response));
}

async function renew() {
  const used = credential;
  const reply = await client("POST", "auth/session", undefined, used.refresh);
  if (credential === used) credential = { ...used, headers: { Authorization: `Bearer ${reply.access_token}` } };
}

/** Return what the service says of itself to who is signed in, or what it says to anybody: its OpenAPI document. */
export async function describe() {
  const url = new URL("openapi.json", ROOT);
  const told = await sent(url, { headers: credential?.headers, signal: session.signal });
  return JSON.parse(await read(told.ok ? told : await sent(url, { signal: session.signal })));
}

/** Wait for ever: one has signed out, and nobody is there to be told. */
const never = () => new Promise(() => {});

/**
 * Call an action with a body that is JSON text, and return {text, status, milliseconds, bytes, header}.
 * Throw Failure for any status from 400 on. What was asked before one signed out never returns.
 */
export async function call(action, body, { headers = {}, signal } = {}) {
  const asking = session.signal;
  try {
    return await answered(action, body, headers, signal ? AbortSignal.any([signal, asking]) : asking);
  } finally {
    if (asking.aborted) await never();
  }
}

async function answered(action, body, headers, signal) {
  const began = performance.now();
  let response = await once(action, body, headers, signal);
  if (response.status === 401 && credential?.refresh) {
    await renew();
    response = await once(action, body, headers, signal);
  }
  const text = await read(response);
  const milliseconds = performance.now() - began;
  const bytes = new TextEncoder().encode(text).length;
  return { text, status: response.status, milliseconds, bytes, header: (name) => response.headers.get(name) };
}

function once(action, body, headers, signal) {
  const own = { Accept: EJSON, "Content-Type": EJSON, ...credential?.headers };
  return sent(actionUrl(action), { method: "POST", headers: { ...own, ...headers }, body, signal });
}

async function sent(url, options) {
  try {
    return await fetch(url, { ...options, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("the service does not answer", 0, NO_REPLY);
  }
}

async function read(response) {
  const text = await textOf(response);
  if (!response.ok) throw failure(response, text);
  if (!text.startsWith("{")) throw new Failure("the reply is not the service's: something in between has answered", response.status);
  return text;
}

async function textOf(response) {
  try {
    return await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("the reply broke off", 0, NO_REPLY);
  }
}

function failure(response, text) {
  const said = reasonOf(text);
  const wait = [429, 503].includes(response.status) && response.headers.get("Retry-After");
  if (response.status === 401) return new Failure("Your key or session is not known, or has ended: sign in again.", 401, said?.code);
  if (said && wait) return Object.assign(new Failure(`${said.error}; try again in ${wait} s`, response.status, said.code), { isUndone: true });
  return said ? new Failure(said.error, response.status, said.code)
    : new Failure(`the reply has the status ${response.status} and no reason`, response.status);
}

function reasonOf(text) {
  try {
    const { error, error_code: code } = JSON.parse(text);
    return typeof error === "string" ? { error, code } : null;
  } catch {
    return null;
  }
}

/** Return a body of an action: members are JSON texts, those that are undefined are left out. */
export function bodyOf(members) {
  const written = { dataSource: dataSource() ? JSON.stringify(dataSource()) : undefined, ...members };
  const entries = Object.entries(written).filter(([, text]) => text !== undefined);
  return `{${entries.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
}
