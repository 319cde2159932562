// Any action, with a body to start from: what the service describes in its OpenAPI document.

import { call, credentialHeaders, dataSource, openApiUrl } from "./api.js";
import { h } from "./dom.js";
import { editor } from "./editor.js";
import { parse, print, typed } from "./ejson.js";
import { copyButton, replyLine } from "./reply.js";
import { schemaOf } from "./schema.js";

const FIRST = "find";

let described = null;

/** Return the actions by name, each with an example of its body, and what rules open; fetched once for each who signs in. */
async function description() {
  described ??= (async () => {
    const options = { credentials: "omit", referrerPolicy: "no-referrer" };
    let response = await fetch(openApiUrl(), { ...options, headers: credentialHeaders() });
    if (!response.ok) response = await fetch(openApiUrl(), options); // what is told to anybody
    if (!response.ok) throw new Error("the service does not describe its actions");
    const { paths, "x-dozen-namespaces": namespaces = [] } = await response.json();
    const named = Object.entries(paths).flatMap(([path, { post }]) => {
      const name = /\/action\/(\w+)$/.exec(path)?.[1];
      return name && post ? [[name, { summary: post.summary ?? "", example: exampleOf(post) }]] : [];
    });
    return { actions: new Map(named), namespaces };
  })();
  try {
    return await described;
  } catch (error) {
    described = null;
    throw error;
  }
}

/** Return the collections that rules open to who is signed in. */
export async function openNamespaces() {
  return (await description()).namespaces;
}

/** Forget what was fetched: somebody else signs in. */
export function forgetActions() {
  described = null;
}

function exampleOf(post) {
  const content = post.requestBody?.content?.["application/json"] ?? {};
  return content.example ?? Object.values(content.examples ?? {})[0]?.value ?? {};
}

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

  async function run() {
    if (!body.check()) return;
    output.hidden = true;
    try {
      const got = await call(choice.value, body.value);
      reply.show(got);
      output.textContent = print(typed(parse(got.text)), "  ");
      output.hidden = false;
    } catch (error) {
      reply.fail(error);
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
