// The documents of a collection: found by a filter, as a table or as trees, batch by batch.

import { bodyOf, call, Failure } from "./api.js";
import { counted, h, say, visible } from "./dom.js";
import { editDocument, newDocument } from "./document.js";
import { editor } from "./editor.js";
import { Elements, Members, parse, Scalar, typed } from "./ejson.js";
import { copyButton, replyLine } from "./reply.js";
import { filterWords, pathWords } from "./schema.js";
import { inCell, line, tree } from "./values.js";

const BATCH = 25;
const MOST_COLUMNS = 100;
const MOST_VALUES = 8;
const LONGEST_VALUE = 60;

const asked = new Map(); // what was asked of each collection, for when one comes back to it

/** Forget what was asked: somebody else signs in. */
export function forgetDocuments() {
  asked.clear();
}

/** Make the view of a collection's documents; `fields` are known once its schema is. */
export function documentsView(namespace, fields, recount) {
  const names = { database: JSON.stringify(namespace.database), collection: JSON.stringify(namespace.collection) };
  const state = { documents: [], cursor: null, asked: null, hint: "" };
  const place = `${names.database}.${names.collection}`;
  const kept = asked.get(place) ?? { filter: "{}", sort: "", projection: "", shape: "table" };
  asked.set(place, kept);
  const run = () => find();
  const filter = editor({
    label: "Filter", value: kept.filter, rows: 1, run, words: (place) => filterWords(fields(), (path) => valuesAt(state.documents, path))(place), describedby: "filter-help",
  });
  const sort = editor({ label: "Sort", value: kept.sort, rows: 1, run, words: (place) => pathWords(fields())(place) });
  const projection = editor({ label: "Projection", value: kept.projection, rows: 1, run, words: (place) => pathWords(fields())(place) });
  const reply = replyLine();
  const notice = h("p", { class: "notice" });
  const results = h("div", { class: "results" });
  const more = h("button", { type: "button", hidden: true, onclick: () => goOn() }, "More");

  const members = () => ({
    ...names, filter: filter.value.trim() || "{}", sort: sort.value.trim() || undefined, projection: projection.value.trim() || undefined,
  });

  async function find() {
    const isRight = filter.check({ mayBeEmpty: true }) && sort.check({ mayBeEmpty: true }) && projection.check({ mayBeEmpty: true });
    notice.textContent = "";
    if (!isRight) {
      if (state.documents.length) reply.fail(new Failure("Nothing was sent. Below is what was found before.", 0));
      return false;
    }
    Object.assign(kept, { filter: filter.value, sort: sort.value, projection: projection.value });
    state.asked = members();
    const isShown = await batch("find", bodyOf({ ...state.asked, cursor: `{"batchSize":${BATCH}}` }), []);
    if (isShown && state.asked) reply.explain(state.asked, { isPart: Boolean(state.cursor), isTold: Boolean(state.hint) });
    return true;
  }

  async function recountIf(asking) {
    if (await asking) recount();
  }

  async function goOn() {
    const before = state.documents.length;
    const isShown = await batch("getMore", bodyOf({ cursor: JSON.stringify(state.cursor) }), state.documents);
    if (isShown) results.querySelector(`[data-at="${before}"]`)?.focus();
  }

  /** Find as somebody who has signed in again: a cursor is of whom it was given to. */
  function afresh() {
    form.querySelector("button").focus();
    recountIf(find());
  }

  let latest = 0;
  let waiting = null;
  const stop = () => {
    waiting.abort();
    form.querySelector("button").focus();
  };

  /** Find, and show what comes, unless something else was asked for or the view was left in the meantime. */
  async function batch(action, body, before) {
    latest += 1;
    const own = latest;
    waiting?.abort();
    waiting = new AbortController();
    results.setAttribute("aria-busy", "true");
    more.hidden = true;
    reply.wait(stop);
    try {
      const got = await call(action, body, { signal: waiting.signal });
      if (own !== latest || !results.isConnected) return false;
      const root = parse(got.text);
      state.documents = [...before, ...root.get("documents").values];
      state.cursor = root.get("cursor")?.text ?? null;
      reply.show(got, `${counted(state.documents.length, "document")}${state.cursor ? ", and more" : ""}`);
    } catch (error) {
      if (own !== latest || !results.isConnected) return false;
      if (!before.length) Object.assign(state, { asked: null, documents: [], cursor: null });
      reply.fail(error.name === "AbortError" ? new Failure("You did not wait for the reply.", 0) : error, afresh);
    }
    results.removeAttribute("aria-busy");
    show();
    return true;
  }

  function show() {
    results.textContent = "";
    more.hidden = !state.cursor;
    state.hint = state.documents.length || !state.asked ? "" : hintOf(kept.filter, fields());
    if (!state.documents.length) {
      if (state.asked) results.append(empty(kept.filter, make, state.hint));
      return;
    }
    results.append(kept.shape === "table" ? table(state.documents, edit) : trees(state.documents, edit));
  }

  /** Find again what was changed, and leave the keyboard where it was. */
  async function again(at, what, id) {
    await find();
    recount();
    if (!results.isConnected) return;
    notice.append(what, id ? h("button", { type: "button", class: "quiet", "aria-label": "Open what was inserted", onclick: () => edit(new Members([["_id", id]]), 0) }, "Open") : "");
    say(what);
    const openers = results.querySelectorAll("button.open");
    (openers[Math.min(at, openers.length - 1)] ?? form.querySelector("button")).focus();
  }

  const edit = (document, at) => editDocument(names, document, (what) => again(at, what), () => results.isConnected);
  const make = () => newDocument(names, (what, id) => again(0, what, id));
  const shapes = h("div", { class: "switch", role: "radiogroup", "aria-label": "Shown as" }, ["table", "json"].map((shape) =>
    h("label", {}, h("input", {
      type: "radio", name: "shape", checked: shape === kept.shape,
      onchange: () => {
        kept.shape = shape;
        show();
      },
    }), h("span", {}, shape === "table" ? "Table" : "JSON"))));

  const form = h("form", { class: "query", onsubmit: (event) => {
    event.preventDefault();
    recountIf(find());
  } },
  h("div", { class: "labelled" }, h("span", { class: "label", "aria-hidden": "true" }, "Filter"),
    h("div", { class: "query-line" }, filter.element, h("button", { type: "submit", class: "main" }, "Find"))),
  h("p", { class: "unseen", id: "filter-help" }, "Extended JSON. Names of fields are offered while you type; Control and Enter finds."),
  h("details", { class: "options", open: Boolean(kept.sort || kept.projection) }, h("summary", {}, "Sort and projection"), h("div", { class: "pair" }, labelled("Sort", sort), labelled("Projection", projection))));

  const bar = h("div", { class: "toolbar" }, shapes,
    h("button", { type: "button", class: "quiet", onclick: make }, "New document"),
    copyButton(() => ({ action: "find", body: bodyOf({ ...members(), limit: String(BATCH) }) })));
  find();
  return h("div", { class: "view" }, form, bar, notice, reply.element, results, h("div", { class: "buttons" }, more));
}

function labelled(text, { element }) {
  return h("div", { class: "labelled" }, h("span", { class: "label", "aria-hidden": "true" }, text), element);
}

/** Return what to write where a filter has a text for a field that has ids or dates, "" if it has none. */
function hintOf(filter, fields) {
  if (!filter.trim()) return "";
  const typesOf = new Map(fields.map(({ path, types }) => [path, Object.keys(types)]));
  const hints = (parse(filter).entries ?? []).flatMap(([name, value]) => {
    const values = value instanceof Members ? value.entries.filter(([each]) => /^\$(eq|ne|[gl]te?)$/.test(each)).map(([, each]) => each) : [value];
    const types = typesOf.get(name) ?? [];
    const type = ["objectId", "date"].find((each) => types.includes(each));
    if (!type || types.includes("string") || !values.some((each) => each.type === "string")) return [];
    return [`"${name}" is ${type === "date" ? 'a date here: write {"$date":"2026-01-31T12:00:00Z"}' : 'an ObjectId here: write {"$oid":"…"}'}, not a text.`];
  });
  return hints.join(" ");
}

function empty(filter, make, hint) {
  const isAll = /^\s*(\{\s*\})?\s*$/.test(filter);
  const words = isAll
    ? "There is no document here, or none that you may read."
    : hint ? `No document matches this filter. ${hint}` : "No document matches this filter. Look at the Schema tab for what fields and types there are.";
  say(words);
  return h("div", { class: "empty" }, h("p", {}, words), isAll && h("button", { type: "button", class: "main", onclick: make }, "Write the first one"));
}

/** Return the values that a field has in documents, as Extended JSON, each once and the first of them. */
function valuesAt(documents, path) {
  const found = new Map();
  for (const document of documents) {
    for (const value of reached(typed(document), path.split("."))) {
      if (value instanceof Scalar && value.source.length <= LONGEST_VALUE) found.set(value.source, value);
    }
  }
  return [...found.values()].slice(0, MOST_VALUES);
}

/** Return what is at a path, and in the arrays on the way. */
function reached(value, [name, ...rest]) {
  if (value instanceof Elements) return value.values.flatMap((each) => reached(each, name === undefined ? [] : [name, ...rest]));
  if (name === undefined) return [value];
  const inner = value instanceof Members ? value.get(name) : undefined;
  return inner === undefined ? [] : reached(inner, rest);
}

function columnsOf(documents) {
  const names = new Set(documents.flatMap((each) => each.entries.map(([name]) => name)));
  return [...names];
}

function table(documents, edit) {
  const shown = documents.map(typed);
  const all = columnsOf(shown);
  const columns = all.slice(0, MOST_COLUMNS);
  const head = h("tr", {}, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Open")), columns.map((name) => h("th", { scope: "col" }, visible(name))));
  const rows = shown.map((document, at) => h("tr", {},
    h("td", {}, openButton(document, documents[at], at, edit)), columns.map((name) => h("td", {}, inCell(document.get(name))))));
  const region = h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Documents" },
    h("table", { class: "documents" }, h("thead", {}, head), h("tbody", {}, rows)));
  if (all.length === columns.length) return region;
  return h("div", { class: "view" }, h("p", { class: "note" }, `These are the first ${columns.length} of ${all.length} fields. JSON shows all.`), region);
}

function openButton(shown, document, at, edit) {
  const id = shown.get("_id");
  const name = id ? `Open the document ${line(id)}` : `Open document ${at + 1}`;
  return h("button", { type: "button", class: "open", "aria-label": name, "data-at": at, onclick: async ({ currentTarget: button }) => {
    button.setAttribute("aria-busy", "true");
    await edit(document, at);
    button.removeAttribute("aria-busy");
  } }, "Open");
}

function trees(documents, edit) {
  return h("ol", { class: "trees" }, documents.map((document, at) => {
    const shown = typed(document);
    return h("li", {}, openButton(shown, document, at, edit), tree(shown));
  }));
}

