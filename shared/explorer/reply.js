// What is said of a reply: its status, time and size, how MongoDB found it, and the call in other languages.

import { actionUrl, bodyOf, call } from "./api.js";
import { closeButton, open } from "./dialog.js";
import { h, say, sized, timed } from "./dom.js";
import { LANGUAGES } from "./snippets.js";

const EXPLAIN_MS = 2000;
const SLOW_MS = 500;

/** Make the line about a reply: {element, show(reply, words), fail(error), explain(body)}. */
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
    fail(error) {
      latest += 1;
      verdict.textContent = "";
      facts.textContent = "";
      verdict.className = "verdict";
      facts.append(...(error.status ? [h("span", { class: "status bad" }, String(error.status))] : []), h("span", { class: "failed" }, error.message));
      if (error.status === 401) facts.append(againButton());
      say(`failed: ${error.message}`);
    },
    /** Ask how MongoDB does a find of these members, and say so; where rules hide something it is not told. */
    async explain(members, isPart) {
      const own = latest;
      const found = await explained(members);
      if (own !== latest) return;
      verdict.textContent = "";
      verdict.append(found.kind === "ruled" ? rulesNote() : isPart && found.text ? `For all that match, not only these: ${found.text}` : found.text);
      verdict.className = `verdict ${found.kind}`;
    },
  };
}

async function explained(members) {
  try {
    const body = bodyOf({ ...members, action: '"find"', maxTimeMS: String(EXPLAIN_MS) });
    const { text } = await call("explain", body, { headers: { Accept: "application/json" } });
    const { verdict } = JSON.parse(text);
    return { text: verdict, kind: /would help/.test(verdict) ? "warn" : "" };
  } catch (error) {
    return { text: "", kind: RULED.has(error.code) ? "ruled" : "" };
  }
}

const RULED = new Set(["NoMatchingRoleFound", "NoMatchingRuleFound"]);

/** Say what may be said of rules: that there are some, and nothing of what they hid. */
function rulesNote() {
  return h("details", {},
    h("summary", {}, "Rules apply: you see your part of this collection"),
    h("p", {}, "No role of yours reads all of it. Documents and fields that you may not read are left out, and are not counted in what you see here."),
    h("p", {}, "Which they are, or how many, is told to nobody whom they are hidden from: a number would tell of them, too. How MongoDB found the documents is left out for the same reason."));
}

/** Make the button with which one signs in again, and comes back to where one is. */
export function againButton() {
  return h("button", { type: "button", class: "quiet", onclick: () => document.dispatchEvent(new CustomEvent("signed-out")) }, "Sign in again");
}

/** Make the button that shows a call in other languages; `current` gives {action, body}. */
export function copyButton(current) {
  return h("button", { type: "button", class: "quiet", onclick: () => showSnippets(current()) }, "Copy as…");
}

function showSnippets({ action, body }) {
  const text = h("pre", { class: "code snippet", tabindex: "0", role: "region", "aria-label": "The call" });
  const copy = h("button", { type: "button", class: "main", onclick: async () => {
    await navigator.clipboard.writeText(text.textContent);
    copy.textContent = "Copied";
    say("copied");
  } }, "Copy");
  const names = h("div", { class: "languages", role: "radiogroup", "aria-label": "Language" });
  LANGUAGES.forEach(([name, written], at) => {
    const choose = () => {
      text.textContent = written({ url: actionUrl(action), body, type: "application/json" });
      copy.textContent = "Copy";
    };
    const input = h("input", { type: "radio", name: "language", checked: at === 0, onchange: choose });
    names.append(h("label", {}, input, h("span", {}, name)));
    if (!at) choose();
  });
  const dialog = h("dialog", { "aria-label": "Copy this call", class: "wide" },
    h("div", { class: "head" }, h("h2", {}, "Copy this call"), closeButton()),
    names, text, h("p", { class: "note" }, "Put your own key in place of ", h("code", {}, "<your key>"), "."),
    h("div", { class: "buttons" }, copy));
  open(dialog);
}
