// The schema of a collection, as a sample of its documents has it.

import { bodyOf, call } from "./api.js";
import { counted, h, visible } from "./dom.js";

/** Return what getSchema tells in detail; throw Failure where it tells nothing. */
export async function schemaOf(namespace) {
  const body = bodyOf({
    database: JSON.stringify(namespace.database), collection: JSON.stringify(namespace.collection), detail: "true",
  });
  const reply = await call("getSchema", body, { headers: { Accept: "application/json" } });
  return JSON.parse(reply.text);
}

/**
 * Return the fields of a schema, those of nested objects behind their own: [{path, depth, share, types, isNamed}].
 * A share is that of all documents; a filter cannot name a field with a dot or a leading dollar in its name.
 */
export function fieldsOf(schema, before = { path: "", depth: 0, share: 1, isNamed: true }) {
  return Object.entries(schema.properties ?? {}).flatMap(([name, each]) => {
    const types = each.types ?? { [each.bsonType]: 1 };
    const isNamed = before.isNamed && name !== "" && !name.includes(".") && !name.startsWith("$");
    const own = { path: before.path + name, depth: before.depth, share: before.share * (each.share ?? 1), types, isNamed, elements: Object.keys(each.items?.types ?? {}).join(", ") };
    const within = (type) => ({ path: `${own.path}.`, depth: own.depth + 1, share: before.share * (types[type] ?? each.share ?? 1), isNamed });
    return [own, ...fieldsOf(each, within("object")), ...fieldsOf(each.items ?? {}, within("array"))];
  });
}

const COMPARISONS = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$regex", "$type", "$not", "$elemMatch", "$all", "$size"];
const LOGIC = ["$and", "$or", "$nor"];
const TEMPLATES = {
  objectId: '{"$oid":""}', date: '{"$date":""}', long: '{"$numberLong":""}', decimal: '{"$numberDecimal":""}',
};

/** Return what completes a filter's words in a collection with these fields; `valuesAt` gives what a field has. */
export function filterWords(fields, valuesAt) {
  const names = namesOf(fields);
  const typesOf = new Map(fields.map(({ path, types }) => [path, Object.keys(types)]));
  return ({ isName, depth, name, owners }) => {
    const owner = owners.at(-1);
    const inside = owner === "$elemMatch" ? within(names, owners.at(-2)) : [];
    if (isName && (depth === 1 || LOGIC.includes(owner))) return [...names, ...LOGIC.map((text) => ({ text }))];
    if (isName) return [...inside, ...COMPARISONS.map((text) => ({ text }))];
    const path = [name, ...owners.toReversed()].find((each) => typesOf.has(each));
    if (path === undefined) return [];
    const seen = valuesAt(path).map(({ text, source, type }) => ({ text, insert: source, note: type }));
    return [...seen, ...typesOf.get(path).flatMap((type) => valuesOf(type))];
  };
}

function namesOf(fields) {
  return fields.filter(({ isNamed }) => isNamed).map(({ path, types }) => ({ text: path, note: Object.keys(types).join(", ") }));
}

function within(names, path) {
  return names.filter(({ text }) => text.startsWith(`${path}.`)).map((each) => ({ ...each, text: each.text.slice(path.length + 1) }));
}

function valuesOf(type) {
  if (type === "bool") return ["true", "false"].map((text) => ({ text, insert: text, note: type }));
  return type in TEMPLATES ? [{ text: TEMPLATES[type], insert: TEMPLATES[type], note: type }] : [];
}

/** Return what completes the names in a sort or a projection. */
export function pathWords(fields) {
  const names = namesOf(fields);
  return ({ isName }) => (isName ? names : []);
}

const percent = (share) => `${Math.round(share * 1000) / 10} %`;

/** Make the view of a schema. */
export function schemaView(schema) {
  const fields = fieldsOf(schema);
  if (!fields.length) return h("p", { class: "empty" }, "There is no document here that you may read.");
  const rows = fields.map(({ path, depth, share, types, elements }) => {
    const name = h("th", { scope: "row" }, h("span", { class: "path" }, visible(path)));
    name.style.setProperty("--depth", depth);
    const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span", {}));
    bar.firstChild.style.width = `${share * 100}%`;
    const kinds = Object.entries(types).map(([type, part]) =>
      h("span", { class: "kind" }, type, type === "array" && elements && h("small", {}, ` of ${elements}`), Object.keys(types).length > 1 && h("small", {}, ` ${percent(part / (sum(types) || 1))}`)));
    return h("tr", {}, name, h("td", {}, kinds), h("td", { class: "share" }, bar, h("span", {}, percent(share))));
  });
  return h("div", { class: "view" },
    h("p", { class: "note" }, `Of a sample of ${counted(schema.documents, "document")}.`),
    h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Fields" },
      h("table", { class: "schema" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Field"), h("th", { scope: "col" }, "Types"), h("th", { scope: "col" }, "Share"))),
        h("tbody", {}, rows))));
}

const sum = (types) => Object.values(types).reduce((total, each) => total + each, 0);
