// What happens in a collection, as it happens: a long poll, again and again.

import { bodyOf, call } from "./api.js";
import { h, say } from "./dom.js";
import { parse, typed } from "./ejson.js";
import { againButton } from "./signin.js";
import { line, tree } from "./values.js";

const AWAIT_MS = 20_000;
const MOST_SHOWN = 200;
const PAUSE_MS = 2_000;

/** Make the view of a collection's changes: {element, stop()}. */
export function changesView(namespace) {
  const names = { database: JSON.stringify(namespace.database), collection: JSON.stringify(namespace.collection) };
  const list = h("ol", { class: "changes" });
  const state = h("p", { class: "note", role: "status" }, "Not watching.");
  let watching = null;

  const button = h("button", { type: "button", class: "main", onclick: () => (watching ? stop() : start()) }, "Watch");

  function start() {
    watching = new AbortController();
    button.textContent = "Stop";
    state.textContent = "Watching: what is inserted, changed or deleted from now on comes in below.";
    poll(watching.signal);
  }

  function stop() {
    watching?.abort();
    watching = null;
    button.textContent = "Watch";
    state.textContent = "Not watching.";
  }

  async function poll(signal) {
    let token;
    while (!signal.aborted) {
      try {
        const wait = token === undefined ? undefined : String(AWAIT_MS);
        const reply = await call("changes", bodyOf({ ...names, resumeAfter: token, maxAwaitTimeMS: wait }), { signal });
        const root = parse(reply.text);
        token = JSON.stringify(root.get("resumeToken").text);
        root.get("events").values.forEach(add);
      } catch (error) {
        if (signal.aborted) return;
        if (error.status && error.status < 500 && error.status !== 429) {
          stop();
          state.textContent = error.message;
          if (error.status === 401) state.append(" ", againButton(start));
          return;
        }
        state.textContent = `${error.message}; trying again`;
        await new Promise((done) => setTimeout(done, PAUSE_MS));
      }
    }
  }

  function add(event) {
    const shown = typed(event);
    const what = line(shown.get("operationType"));
    const id = shown.get("documentKey")?.get("_id");
    const when = new Date().toLocaleTimeString("en", { hour12: false });
    const document = shown.get("fullDocument");
    const description = shown.get("updateDescription");
    const more = description ?? (document?.type === "object" ? document : undefined);
    list.prepend(h("li", {}, h("span", { class: `event e-${what}` }, what), h("span", { class: "when" }, when),
      id && h("code", {}, line(id)), more && h("details", {}, h("summary", {}, description ? "what changed" : "the document"), tree(more))));
    if (list.childElementCount > MOST_SHOWN) list.lastChild.remove();
    say(`${what} ${id ? line(id) : ""}`);
  }

  const element = h("div", { class: "view" }, h("div", { class: "toolbar" }, button), state, list);
  return { element, stop };
}
