// What is said of a reply: its status, time and size, how MongoDB found it, and the call in other languages.

import { atlasUrl, bodyOf, call, place, USUAL_SOURCE } from "./api.js";
import { appId } from "./described.js";
import { closeButton, open } from "./dialog.js";
import { copier, h, say, sized, timed } from "./dom.js";
import { parse } from "./ejson.js";
import { againButton } from "./signin.js";
import { LANGUAGES } from "./snippets.js";

const EXPLAIN_MS = 2000;
const SLOW_MS = 500;
const SIGNED_IN = "You are signed in again.";

/** Make the line about a reply: {element, wait(stop), show(reply, words), fail(error, again), explain(members)}. */
export function replyLine() {
  const element = h("div", { class: "reply", role: "group", "aria-label": "Reply" });
  const facts = h("span", { class: "facts" });
  const verdict = h("span", { class: "verdict" });
  element.append(facts, verdict);
  let latest = 0;
  return {
    element,
    /** Say that a reply is waited for, if it takes long; `stop` ends the waiting. */
    wait(stop) {
      latest += 1;
      const own = latest;
      setTimeout(() => {
        if (own !== latest || !element.isConnected) return;
        verdict.textContent = "";
        facts.replaceChildren(h("span", { class: "waiting" }, "Waiting for the reply…"), h("button", { type: "button", class: "quiet", onclick: stop }, "Stop"));
        say("waiting for the reply");
      }, SLOW_MS);
    },
    show(reply, words) {
      latest += 1;
      verdict.textContent = "";
      verdict.className = "verdict";
      facts.textContent = "";
      facts.append(
        h("span", { class: "status good" }, String(reply.status)), h("span", {}, timed(reply.milliseconds)),
        h("span", {}, sized(reply.bytes)), ...(words ? [h("span", {}, words)] : []),
      );
      const cut = reply.header("Dozen-Truncated");
      if (cut) facts.append(h("span", { class: "warn" }, `there is more: ${cut}`));
      say(`${words ?? "done"}, ${timed(reply.milliseconds)}`);
    },
    /** Say what went wrong; `again` is called when one has signed in again after it. */
    fail(error, again = () => facts.replaceChildren(SIGNED_IN)) {
      latest += 1;
      verdict.textContent = "";
      facts.textContent = "";
      verdict.className = "verdict";
      facts.append(...(error.status ? [h("span", { class: "status bad" }, String(error.status))] : []), h("span", { class: "failed" }, error.message));
      if (error.status === 401) facts.append(againButton(again));
      say(`failed: ${error.message}`);
    },
    /**
     * Ask how MongoDB does a find of these members, and say so; where rules hide something it is not told.
     * `isPart` says that there is more than is shown, `isTold` that the page says why nothing is found.
     */
    async explain(members, { isPart = false, isTold = false } = {}) {
      const own = latest;
      const found = await explained(members, isTold);
      if (own !== latest) return;
      verdict.textContent = "";
      verdict.append(found.kind === "ruled" ? rulesNote() : isPart && found.text ? `For all that match, not only these: ${found.text}` : found.text);
      verdict.className = `verdict ${found.kind}`;
    },
  };
}

async function explained(members, isTold) {
  try {
    const body = bodyOf({ action: '"find"', ...members, maxTimeMS: String(EXPLAIN_MS) });
    const { text } = await call("explain", body, { headers: { Accept: "application/json" } });
    const { verdict } = JSON.parse(text);
    return { text: isTold ? verdict.replace(MISTAKE, "") : verdict, kind: /would help/.test(verdict) ? "warn" : "" };
  } catch (error) {
    return { text: "", kind: RULED.has(error.code) ? "ruled" : "" };
  }
}

const MISTAKE = /; "[^;]*" is compared with a text: .*$/s; // how a verdict ends where the condition explains it
const RULED = new Set(["NoMatchingRoleFound", "NoMatchingRuleFound"]);

/** Say what may be said of rules: that there are some, and nothing of what they hid. */
function rulesNote() {
  return h("details", {},
    h("summary", {}, "Rules apply: you see your part of this collection"),
    h("p", {}, "No role of yours reads all of it. Documents and fields that you may not read are left out, and are not counted in what you see here."),
    h("p", {}, "Which they are, or how many, is told to nobody whom they are hidden from: a number would tell of them, too. How MongoDB found the documents is left out for the same reason."));
}

/** Make the button that shows a call in other languages; `current` gives {action, body}. */
export function copyButton(current) {
  const button = h("button", { type: "button", class: "quiet", onclick: async () => {
    const { action, body } = current();
    const app = place.app || await appId();
    if (button.isConnected) showSnippets({ url: atlasUrl(action, app), body: withDataSource(body), type: "application/json" });
  } }, "Copy as…");
  return button;
}

/** Return a body as Atlas's path needs it, which names a data source. */
function withDataSource(body) {
  let root;
  try {
    root = parse(body);
  } catch {
    return body; // it is copied as it was written
  }
  if (!root.entries?.length || root.get("dataSource")) return body;
  return body.replace(/^\s*\{(\s*)/, (_, gap) => `{${gap}"dataSource":${JSON.stringify(place.dataSource || USUAL_SOURCE)},${gap}`);
}

function showSnippets(sent) {
  const text = h("pre", { class: "code snippet", tabindex: "0", role: "region", "aria-label": "The call" });
  const names = h("div", { class: "languages", role: "radiogroup", "aria-label": "Language" });
  const buttons = h("div", { class: "buttons" });
  LANGUAGES.forEach(([name, written], at) => {
    const choose = () => {
      text.textContent = written(sent);
      buttons.replaceChildren(copier("Copy", "main", () => text.textContent, text));
    };
    const input = h("input", { type: "radio", name: "language", checked: at === 0, onchange: choose });
    names.append(h("label", {}, input, h("span", {}, name)));
    if (!at) choose();
  });
  open(h("dialog", { "aria-label": "Copy this call", class: "wide" },
    h("div", { class: "head" }, h("h2", {}, "Copy this call"), closeButton()),
    names, text, h("p", { class: "note" }, "Put your own key in place of ", h("code", {}, "<your key>"), "."), buttons));
}
