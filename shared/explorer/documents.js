// The documents of a collection: found by a filter, as a table or as trees, batch by batch.

import { bodyOf, call } from "./api.js";
import { counted, h, say } from "./dom.js";
import { editDocument, newDocument } from "./document.js";
import { editor } from "./editor.js";
import { parse, typed } from "./ejson.js";
import { copyButton, replyLine } from "./reply.js";
import { filterWords, pathWords } from "./schema.js";
import { inCell, line, tree } from "./values.js";

const BATCH = 25;
const MOST_COLUMNS = 40;

/** Make the view of a collection's documents; `fields` are known once its schema is. */
export function documentsView(namespace, fields) {
  const names = { database: JSON.stringify(namespace.database), collection: JSON.stringify(namespace.collection) };
  const state = { documents: [], cursor: null, shape: "table", asked: null };
  const run = () => find();
  const filter = editor({
    label: "Filter", value: "{}", rows: 1, run, words: (place) => filterWords(fields())(place), describedby: "filter-help",
  });
  const sort = editor({ label: "Sort", rows: 1, run, words: (place) => pathWords(fields())(place) });
  const projection = editor({ label: "Projection", rows: 1, run, words: (place) => pathWords(fields())(place) });
  const reply = replyLine();
  const results = h("div", { class: "results" });
  const more = h("button", { type: "button", hidden: true, onclick: () => goOn() }, "More");

  const members = () => ({
    ...names, filter: filter.value.trim() || "{}", sort: sort.value.trim() || undefined, projection: projection.value.trim() || undefined,
  });

  async function find() {
    const isRight = filter.check({ mayBeEmpty: true }) && sort.check({ mayBeEmpty: true }) && projection.check({ mayBeEmpty: true });
    if (!isRight) return;
    state.asked = members();
    const isShown = await batch("find", bodyOf({ ...state.asked, cursor: `{"batchSize":${BATCH}}` }), []);
    if (isShown && state.asked) reply.explain(state.asked);
  }

  async function goOn() {
    const before = state.documents.length;
    const isShown = await batch("getMore", bodyOf({ cursor: JSON.stringify(state.cursor) }), state.documents);
    if (isShown) results.querySelector(`[data-at="${before}"]`)?.focus();
  }

  let latest = 0;

  /** Find, and show what comes, unless something else was asked for or the view was left in the meantime. */
  async function batch(action, body, before) {
    latest += 1;
    const own = latest;
    results.setAttribute("aria-busy", "true");
    more.hidden = true;
    try {
      const got = await call(action, body);
      if (own !== latest || !results.isConnected) return false;
      const root = parse(got.text);
      state.documents = [...before, ...root.get("documents").values];
      state.cursor = root.get("cursor")?.text ?? null;
      reply.show(got, `${counted(state.documents.length, "document")}${state.cursor ? ", and more" : ""}`);
    } catch (error) {
      if (own !== latest || !results.isConnected) return false;
      if (!before.length) Object.assign(state, { asked: null, documents: [], cursor: null });
      reply.fail(error);
    }
    results.removeAttribute("aria-busy");
    show();
    return true;
  }

  function show() {
    results.textContent = "";
    more.hidden = !state.cursor;
    if (!state.documents.length) {
      if (state.asked) results.append(empty(filter.value));
      return;
    }
    results.append(state.shape === "table" ? table(state.documents, edit) : trees(state.documents, edit));
  }

  const edit = (document) => editDocument(names, document, find, () => results.isConnected);
  const shapes = h("div", { class: "switch", role: "radiogroup", "aria-label": "Shown as" }, ["table", "json"].map((shape) =>
    h("label", {}, h("input", {
      type: "radio", name: "shape", checked: shape === state.shape,
      onchange: () => {
        state.shape = shape;
        show();
      },
    }), h("span", {}, shape === "table" ? "Table" : "JSON"))));

  const form = h("form", { class: "query", onsubmit: (event) => {
    event.preventDefault();
    find();
  } },
  h("div", { class: "query-line" }, labelled("Filter", filter), h("button", { type: "submit", class: "main" }, "Find")),
  h("p", { class: "unseen", id: "filter-help" }, "Extended JSON. Names of fields are offered while you type; Control and Enter finds."),
  h("details", { class: "options" }, h("summary", {}, "Sort and projection"), h("div", { class: "pair" }, labelled("Sort", sort), labelled("Projection", projection))));

  const bar = h("div", { class: "toolbar" }, shapes,
    h("button", { type: "button", class: "quiet", onclick: () => newDocument(names, find) }, "New document"),
    copyButton(() => ({ action: "find", body: bodyOf({ ...members(), limit: String(BATCH) }) })));
  find();
  return h("div", { class: "view" }, form, bar, reply.element, results, h("div", { class: "buttons" }, more));
}

function labelled(text, { element }) {
  return h("div", { class: "labelled" }, h("span", { class: "label", "aria-hidden": "true" }, text), element);
}

function empty(filter) {
  const isAll = ["", "{}"].includes(filter.trim());
  const words = isAll
    ? "There is no document here, or none that you may read. “New document” makes one."
    : "No document matches this filter. Look at the Schema tab for what fields and types there are.";
  say(words);
  return h("p", { class: "empty" }, words);
}

function columnsOf(documents) {
  const names = new Set(documents.flatMap((each) => each.entries.map(([name]) => name)));
  return [...names].slice(0, MOST_COLUMNS);
}

function table(documents, edit) {
  const shown = documents.map(typed);
  const columns = columnsOf(shown);
  const head = h("tr", {}, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Open")), columns.map((name) => h("th", { scope: "col" }, name)));
  const rows = shown.map((document, at) => h("tr", {},
    h("td", {}, openButton(document, documents[at], at, edit)), columns.map((name) => h("td", {}, inCell(document.get(name))))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Documents" },
    h("table", { class: "documents" }, h("thead", {}, head), h("tbody", {}, rows)));
}

function openButton(shown, document, at, edit) {
  const id = shown.get("_id");
  const name = id ? `Open the document ${line(id)}` : `Open document ${at + 1}`;
  return h("button", { type: "button", class: "open", "aria-label": name, "data-at": at, onclick: () => edit(document) }, "Open");
}

function trees(documents, edit) {
  return h("ol", { class: "trees" }, documents.map((document, at) => {
    const shown = typed(document);
    return h("li", {}, openButton(shown, document, at, edit), tree(shown));
  }));
}

