// How a changed text of a document is saved: by an update of what differs, so that everything else keeps its bytes.

import { bodyOf, call, Failure } from "./api.js";
import { Elements, Members, parse, print, typed } from "./ejson.js";

const BENT = "Nothing was saved. In what you changed or moved, something is stored that this page cannot write as it is:"
  + " a symbol, undefined, a name that occurs twice, or the like. What stands beside it can be changed alone.";

/** Read a document as it is now: {text, headers}, with the headers of a write that is for no other. */
export async function readNow(names, filter) {
  const reply = await call("findOne", bodyOf({ ...names, filter }));
  const document = parse(reply.text).get("document");
  if (document.type === "null") throw new Failure("It is not there any more, or you may not read it any more.", 404);
  const tag = reply.header("ETag");
  return { text: print(typed(document), "  "), headers: tag ? { "If-Match": tag } : {} };
}

/**
 * Save a text in the place of what was read, and say so; throw Failure if something else would be bent by it.
 * `write` calls an action that writes.
 */
export async function save(names, filter, read, text, write = call) {
  const send = ({ action, members }, headers) =>
    (headers ? call : write)(action, bodyOf({ ...names, filter, ...members }), { headers: { ...read.headers, ...headers } });
  const saved = async (how, what) => {
    if (how.same) {
      const tried = await send({ ...how, members: how.same }, { "Dozen-Dry-Run": "true" });
      if (countOf(tried, "modifiedCount") !== "0") throw new Failure(BENT, 0);
    }
    return written(await send(how), "matchedCount", what);
  };
  const how = saving(read.text, text);
  if (!how) return "There was nothing to save";
  try {
    return await saved(how, "Saved");
  } catch (error) {
    // rules refuse a replacement of what they hide a part of: it would be lost
    const isRefused = error.code === "NoMatchingRoleFound" && how.action === "replaceOne";
    const update = isRefused && saving(read.text, text, { inOrder: false });
    if (!update || update.action !== "updateOne") throw error;
    return saved(update, "Saved: what you changed, and no more");
  }
}

/** Return what was done; throw Failure if there was no document to do it to. */
export function written(reply, counter, what) {
  if (countOf(reply, counter) === "0") throw new Failure("It is not there any more.", 404);
  return what;
}

const countOf = (reply, counter) => JSON.parse(reply.text)[counter]?.$numberInt;

/**
 * Return {action, members, same} that makes one text of a document the other, undefined if nothing differs.
 * `same` are the members with which the action must change nothing: it writes again what was only read, and JSON does
 * not hold all that BSON does. Undefined says that there is no such. Where order does not matter, there is an update
 * for all but names that no path has.
 */
function saving(before, after, { inOrder = true } = {}) {
  const [old, wanted] = [parse(before), withId(parse(after), parse(before))];
  const found = { set: [], unset: [], again: [] };
  if (!isOfMembers(wanted) || !compare(old, wanted, [], found, inOrder)) {
    return { action: "replaceOne", members: { replacement: after }, same: { replacement: before } };
  }
  const update = updateOf(found.set, found.unset);
  if (!update) return undefined;
  return { action: "updateOne", members: { update }, same: found.again.length ? { update: updateOf(found.again, []) } : undefined };
}

/** Return a document with the `_id` of another, if it was left out: no save takes it away. */
function withId(document, other) {
  const id = other.get("_id");
  if (!isOfMembers(document) || !id || document.get("_id")) return document;
  return new Members([["_id", id], ...document.entries]);
}

const isOfMembers = (value) => value instanceof Members && typed(value) instanceof Members;

/** Note what differs between objects; return false if no update of members makes one the other. */
function compare(old, wanted, path, found, inOrder) {
  const [before, after] = [old, wanted].map((value) => new Map(value.entries));
  const isOnce = before.size === old.entries.length && after.size === wanted.entries.length;
  const kept = [...before.keys()].filter((name) => after.has(name));
  const isInOrder = kept.every((name, at) => wanted.entries[at][0] === name); // what is new comes behind
  const differing = [...after].filter(([name, value]) => !before.has(name) || print(before.get(name)) !== print(value));
  const gone = [...before.keys()].filter((name) => !after.has(name));
  const isNamed = [...differing.map(([name]) => name), ...gone].every((name) => /^[^.$\0]+$/.test(name));
  if (!isOnce || !isNamed || (inOrder && !isInOrder)) return false;
  if (!path.length && differing.some(([name]) => name === "_id")) return false;
  for (const [name, value] of differing) {
    const [own, was] = [[...path, name], before.get(name)];
    if (was !== undefined && isOfMembers(was) && isOfMembers(value) && compare(was, value, own, found, inOrder)) continue;
    found.set.push([own, print(value)]);
    if (isNested(was) && isNested(value)) found.again.push([own, print(was)]);
  }
  found.unset.push(...gone.map((name) => [[...path, name], '""']));
  return true;
}

const isNested = (value) => value instanceof Elements || (value !== undefined && isOfMembers(value));

function updateOf(set, unset) {
  const parts = [["$set", set], ["$unset", unset]].filter(([, entries]) => entries.length);
  const written = parts.map(([name, entries]) => `"${name}":{${entries.map(([path, text]) => `${JSON.stringify(path.join("."))}:${text}`).join(",")}}`);
  return written.length ? `{${written.join(",")}}` : undefined;
}
