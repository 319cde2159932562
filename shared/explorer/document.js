// One document: read, changed if it is still the one that was read, deleted, or made.

import { bodyOf, NO_REPLY } from "./api.js";
import { close, closeButton, open } from "./dialog.js";
import { h, say, sized } from "./dom.js";
import { editor } from "./editor.js";
import { parse, print, typed } from "./ejson.js";
import { writer } from "./once.js";
import { readNow, save, written } from "./saving.js";
import { againForm } from "./signin.js";
import { line } from "./values.js";

const MOST_CHANGED = 1_000_000; // characters; in a field with more every key takes long
const MOST_SHOWN = 20_000;
const SLOW_MS = 500;

/** Open a document of a collection as it is now, if that is still wanted then; call `changed` when it was changed. */
export async function editDocument(names, document, changed, isWanted) {
  const id = document.get("_id");
  if (!id) {
    show(dialogOf("Document", shortened(print(typed(document), "  ")), "What was found has no _id, so it can only be read."));
    return;
  }
  const filter = `{"_id":${print(id)}}`;
  const title = `Document ${shortTitle(line(typed(id)))}`;
  let read;
  try {
    read = await readNow(names, filter);
  } catch (error) {
    if (!isWanted()) return;
    const found = dialogOf(title, shortened(print(typed(document), "  ")), error.message);
    show(found);
    if (error.status === 401) found.signIn(() => {
      close();
      editDocument(names, document, changed, isWanted);
    });
    return;
  }
  if (!isWanted()) return;
  if (read.text.length > MOST_CHANGED) {
    show(dialogOf(title, shortened(read.text), `It has ${sized(read.text.length)}, too much to change it here: this is how it begins.`));
    return;
  }
  const dialog = dialogOf(title, read.text, "");
  dialog.button("Save", "main", () => save(names, filter, read, dialog.editor.value, dialog.write));
  dialog.button("Delete", "danger", async () => {
    if (!dialog.sure()) return undefined;
    const reply = await dialog.write("deleteOne", bodyOf({ ...names, filter }), { headers: read.headers });
    return written(reply, "deletedCount", "Deleted");
  }, { needsText: false });
  dialog.conflict = async () => {
    const stored = await readNow(names, filter);
    return conflict(read.text, stored.text, (text) => {
      read = stored;
      dialog.saved = stored.text;
      if (text !== undefined) dialog.editor.value = text;
    });
  };
  dialog.changed = changed;
  show(dialog);
}

/** Let a new document be written. */
export function newDocument(names, changed) {
  const dialog = dialogOf("New document", "{\n  \n}", "");
  dialog.button("Insert", "main", async () => {
    const reply = await dialog.write("insertOne", bodyOf({ ...names, document: dialog.editor.value }));
    dialog.id = parse(reply.text).get("insertedId");
    return dialog.id ? `Inserted ${shortTitle(line(typed(dialog.id)))}` : "Inserted";
  });
  dialog.changed = changed;
  show(dialog);
}

function shortTitle(text) {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function shortened(text) {
  return text.length > MOST_CHANGED ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

/** Show what is stored now beside what was written, and let one of them be chosen. */
function conflict(before, stored, choose) {
  const known = new Set(before.split("\n").map(bare));
  const lines = stored.split("\n").map((each) => (known.has(bare(each)) ? `${each}\n` : h("mark", {}, `${each}\n`)));
  const box = h("div", { class: "conflict" },
    h("h3", {}, "As it is stored now"),
    h("pre", { class: "code snippet", tabindex: "0", role: "region", "aria-label": "As it is stored now" }, lines),
    h("div", { class: "buttons" },
      h("button", { type: "button", onclick: () => done(stored) }, "Take the stored one"),
      h("button", { type: "button", onclick: () => done(undefined) }, "Keep what I wrote")));
  const done = (text) => {
    choose(text);
    box.dispatchEvent(new CustomEvent("chosen", { detail: text === undefined ? "Save writes over what is stored now." : "This is how it is stored now." }));
  };
  return box;
}

const bare = (text) => text.replace(/,$/, "");

function dialogOf(title, text, why) {
  const own = { changed: () => {}, conflict: null, saved: text, write: writer() };
  own.editor = editor({ label: title, value: text, rows: 12, readonly: Boolean(why) });
  own.problem = h("p", { class: "problem", role: "alert" }, why);
  own.beside = h("div", {});
  own.buttons = h("div", { class: "buttons" });
  own.element = h("dialog", { "aria-label": title, class: "wide" },
    h("div", { class: "head" }, h("h2", {}, title), closeButton()),
    own.editor.element, own.problem, own.beside, own.buttons);
  let asked = false;
  let isWorking = false;
  own.sure = () => {
    if (asked) return true;
    asked = true;
    own.problem.textContent = "This deletes the document for good. Choose it again if you mean it.";
    own.buttons.querySelector(".danger").textContent = "Delete for good";
    return false;
  };
  /** Let one sign in again, with what is written here left as it is. */
  own.signIn = (goOn) => {
    const form = againForm(goOn);
    own.beside.replaceChildren(form);
    form.querySelector("input, button").focus();
  };
  own.button = (label, kind, work, { needsText = true } = {}) => {
    const button = h("button", { type: "button", class: kind, onclick: async () => {
      if (isWorking || (needsText && !own.editor.check())) return;
      isWorking = true;
      button.setAttribute("aria-busy", "true");
      const waiting = setTimeout(() => {
        own.problem.classList.add("good");
        own.problem.textContent = "Waiting for the reply…";
      }, SLOW_MS);
      try {
        const what = await work().finally(() => clearTimeout(waiting));
        if (what) {
          close();
          say(what);
          own.changed(what, own.id);
        }
      } catch (error) {
        await told(own, error, button);
      }
      isWorking = false;
      button.removeAttribute("aria-busy");
    } }, label);
    own.buttons.append(button);
  };
  return own;
}

async function told(own, error, button) {
  own.beside.textContent = "";
  own.problem.textContent = reasonOf(error, button.textContent);
  own.problem.classList.remove("good");
  if (error.status === 401) own.signIn(() => {
    own.beside.textContent = "";
    own.problem.classList.add("good");
    own.problem.textContent = `You are signed in again, and nothing was lost: ${button.textContent} is still to be chosen.`;
    button.focus();
  });
  if (error.status !== 412 || !own.conflict) return;
  own.problem.textContent = "Somebody has changed it since you read it: nothing was done.";
  try {
    const box = await own.conflict();
    box.addEventListener("chosen", ({ detail }) => {
      own.beside.textContent = "";
      own.problem.textContent = detail;
      own.editor.focus();
    });
    own.beside.append(box);
    box.scrollIntoView({ block: "nearest" });
  } catch (failed) {
    if (failed.status === 401) await told(own, failed, button);
    else own.problem.append(` ${failed.message}`);
  }
}

function reasonOf(error, label) {
  if (error.code === "NoMatchingRoleFound") return `The rules do not let you do this, and nothing was done: ${error.message}`;
  if (error.isUndone) return `${error.message}. Nothing was done.`;
  if (error.code === NO_REPLY || error.status >= 502) return `${error.message}. It may have been done all the same: ${error.isOnce ? `choose ${label} again, it is done once` : `look before you choose ${label} again`}.`;
  return error.message;
}

function show(own) {
  open(own.element, () => own.editor.value !== own.saved);
  own.editor.focus();
}
