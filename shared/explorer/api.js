// Calls of the service: who calls stays in this module's memory, and nowhere else.

const ROOT = new URL(".", document.baseURI);
const EJSON = "application/ejson";

let credential = null;
let session = new AbortController(); // ends when one signs out

export class Failure extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Which app and which data source are meant; where no app is named, the first source is, if none is. */
export const place = { app: "", dataSource: "" };

/** Who is signed in as a user of the app; of a key nothing is known. */
export const who = { name: "", id: "" };

const USUAL_SOURCE = "mongodb-atlas";

export function dataSource() {
  return place.dataSource || (place.app ? USUAL_SOURCE : "");
}

/** Return the URL of an action, as a program calls it. */
export function actionUrl(action) {
  const app = place.app ? `app/${encodeURIComponent(place.app)}/endpoint/` : "";
  return new URL(`${app}data/v1/action/${action}`, ROOT).href;
}

export function openApiUrl() {
  return new URL("openapi.json", ROOT).href;
}

export function signedIn() {
  return credential !== null;
}

export function signOut() {
  credential = null;
  Object.assign(who, { name: "", id: "" });
  session.abort();
  session = new AbortController();
}

export function useKey(key) {
  credential = { headers: { apiKey: key } };
}

/** Log in as a user of the app; throw Failure if the app refuses. */
export async function logIn(provider, body) {
  const reply = await client("POST", `app/${encodeURIComponent(place.app)}/auth/providers/${provider}/login`, body);
  Object.assign(who, { name: body.username ?? "an anonymous user", id: reply.user_id ?? "" });
  credential = { refresh: reply.refresh_token, headers: { Authorization: `Bearer ${reply.access_token}` } };
}

async function client(method, path, body, token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await sent(new URL(`api/client/v2.0/${path}`, ROOT), {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body),
  });
  return JSON.parse(await read(response));
}

async function renew() {
  const used = credential;
  const reply = await client("POST", "auth/session", undefined, used.refresh);
  if (credential === used) credential = { ...used, headers: { Authorization: `Bearer ${reply.access_token}` } };
}

/** Return the credential's headers, for what is fetched beside the actions. */
export function credentialHeaders() {
  return credential ? { ...credential.headers } : {};
}

/**
 * Call an action with a body that is JSON text, and return {text, status, milliseconds, bytes, header}.
 * Throw Failure for any status from 400 on. What was asked before one signed out never returns.
 */
export async function call(action, body, { headers = {}, signal } = {}) {
  const asking = session.signal;
  try {
    return await answered(action, body, headers, signal ? AbortSignal.any([signal, asking]) : asking);
  } finally {
    if (asking.aborted) await new Promise(() => {}); // nobody is there to be told
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
    throw new Failure("the service does not answer", 0);
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
    throw new Failure("the reply broke off", 0);
  }
}

function failure(response, text) {
  const said = reasonOf(text);
  const wait = [429, 503].includes(response.status) && response.headers.get("Retry-After");
  if (response.status === 401) return new Failure("Your key or session is not known, or has ended: sign in again.", 401, said?.code);
  return said ? new Failure(wait ? `${said.error}; try again in ${wait} s` : said.error, response.status, said.code)
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
