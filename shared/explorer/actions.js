// Any action, with a body to start from: what the service describes in its OpenAPI document.

import { call, dataSource, Failure } from "./api.js";
import { description } from "./described.js";
import { h } from "./dom.js";
import { editor } from "./editor.js";
import { parse, print, typed } from "./ejson.js";
import { copyButton, replyLine } from "./reply.js";
import { schemaOf } from "./schema.js";

const FIRST = "find";
const GIVEN_UP = "You did not wait for the reply. If it writes, it may have been done all the same.";

const EXPLAINED = new Set(["find", "findOne", "aggregate"]);

/** Make the view from which any action is called. */
export async function actionsView(namespace) {
  const { actions: all } = await description();
  const schema = await schemaOf(namespace).catch(() => ({}));
  const names = new Set(Object.keys(schema.properties ?? {}));
  const body = editor({ label: "Body", value: "", rows: 6, run: () => run() });
  const summary = h("p", { class: "note" });
  const reply = replyLine();
  const output = h("pre", { class: "code snippet", tabindex: "0", role: "region", "aria-label": "Reply of the action", hidden: true });
  const choice = h("select", { id: "action", onchange: () => choose() }, [...all.keys()].map((name) => h("option", { value: name }, name)));
  choice.value = all.has(FIRST) ? FIRST : all.keys().next().value;

  function choose() {
    const { summary: words, example } = all.get(choice.value);
    const own = { ...example };
    if (dataSource()) own.dataSource = dataSource();
    else delete own.dataSource;
    if ("database" in own) own.database = namespace.database;
    if ("collection" in own) own.collection = namespace.collection;
    for (const each of ["filter", "projection", "sort"]) {
      if (!names.size || !Object.keys(own[each] ?? {}).some((name) => !name.startsWith("$") && !names.has(name))) continue;
      if (each === "filter") own.filter = {}; // the example's fields are not of this collection
      else delete own[each];
    }
    summary.textContent = words;
    body.value = JSON.stringify(own, null, 2);
  }

  let waiting = null;

  /** Run the action, and show what comes, unless another was run in the meantime. */
  async function run() {
    if (!body.check()) return;
    const [action, sent] = [choice.value, body.value];
    waiting?.abort();
    const own = waiting = new AbortController();
    output.hidden = true;
    reply.wait(() => own.abort());
    try {
      const got = await call(action, sent, { signal: own.signal });
      if (own !== waiting) return;
      reply.show(got);
      output.textContent = print(typed(parse(got.text)), "  ");
      output.hidden = false;
      if (EXPLAINED.has(action)) reply.explain({ ...textsOf(sent), action: JSON.stringify(action) });
    } catch (error) {
      if (own === waiting) reply.fail(error.name === "AbortError" ? new Failure(GIVEN_UP, 0) : error);
    }
  }

  choose();
  return h("div", { class: "view" },
    h("form", { class: "query", onsubmit: (event) => {
      event.preventDefault();
      run();
    } },
    h("div", { class: "toolbar" }, h("label", { class: "label", for: "action" }, "Action"), choice,
      h("button", { type: "submit", class: "main" }, "Run"), copyButton(() => ({ action: choice.value, body: body.value }))),
    summary, body.element),
    reply.element, output);
}

/** Return the members of a body, each as it is written. */
function textsOf(body) {
  return Object.fromEntries(parse(body).entries.map(([name, value]) => [name, print(value)]));
}
