// One document: read, changed if it is still the one that was read, deleted, or made.

import { bodyOf, call, Failure } from "./api.js";
import { h, say, sized } from "./dom.js";
import { editor } from "./editor.js";
import { parse, print, typed } from "./ejson.js";
import { closeButton, open } from "./reply.js";
import { line } from "./values.js";

const MOST_CHANGED = 1_000_000; // characters; in a field with more every key takes long
const MOST_SHOWN = 20_000;

/** Open a document of a collection as it is now, if that is still wanted then; call `changed` when it was changed. */
export async function editDocument(names, document, changed, isWanted) {
  const id = document.get("_id");
  if (!id) {
    show(dialogOf("Document", shortened(print(typed(document), "  ")), "What was found has no _id, so it can only be read."));
    return;
  }
  const filter = `{"_id":${print(id)}}`;
  const title = `Document ${line(typed(id))}`;
  let read;
  try {
    read = await readNow(names, filter);
  } catch (error) {
    if (isWanted()) show(dialogOf(title, shortened(print(typed(document), "  ")), error.message));
    return;
  }
  if (!isWanted()) return;
  if (read.text.length > MOST_CHANGED) {
    show(dialogOf(title, shortened(read.text), `It has ${sized(read.text.length)}, too much to change it here: this is how it begins.`));
    return;
  }
  const dialog = dialogOf(title, read.text, "");
  dialog.button("Save", "main", async () => {
    const reply = await call("replaceOne", bodyOf({ ...names, filter, replacement: dialog.editor.value }), { headers: read.headers });
    return written(reply, "matchedCount", "saved");
  });
  dialog.button("Delete", "danger", async () => {
    if (!dialog.sure()) return undefined;
    const reply = await call("deleteOne", bodyOf({ ...names, filter }), { headers: read.headers });
    return written(reply, "deletedCount", "deleted");
  }, { needsText: false });
  dialog.again = async () => {
    read = await readNow(names, filter);
    dialog.editor.value = read.text;
  };
  dialog.changed = changed;
  show(dialog);
}

/** Let a new document be written. */
export function newDocument(names, changed) {
  const dialog = dialogOf("New document", "{\n  \n}", "");
  dialog.button("Insert", "main", async () => {
    await call("insertOne", bodyOf({ ...names, document: dialog.editor.value }));
    return "inserted";
  });
  dialog.changed = changed;
  show(dialog);
}

async function readNow(names, filter) {
  const reply = await call("findOne", bodyOf({ ...names, filter }));
  const document = parse(reply.text).get("document");
  if (document.type === "null") throw new Failure("It is not there any more, or you may not read it any more.", 404);
  const tag = reply.header("ETag");
  return { text: print(typed(document), "  "), headers: tag ? { "If-Match": tag } : {} };
}

function shortened(text) {
  return text.length > MOST_CHANGED ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

function written(reply, counter, what) {
  if (JSON.parse(reply.text)[counter]?.$numberInt === "0") throw new Failure("It is not there any more.", 404);
  return what;
}

function dialogOf(title, text, why) {
  const own = { changed: () => {}, again: null };
  own.editor = editor({ label: title, value: text, rows: 12, readonly: Boolean(why) });
  own.problem = h("p", { class: "problem", role: "alert" }, why);
  own.buttons = h("div", { class: "buttons" });
  own.element = h("dialog", { "aria-label": title, class: "wide" },
    h("div", { class: "head" }, h("h2", {}, title), closeButton(() => own.element.close())),
    own.editor.element, own.problem, own.buttons);
  let asked = false;
  own.sure = () => {
    if (asked) return true;
    asked = true;
    own.problem.textContent = "This deletes the document for good. Choose Delete again if you mean it.";
    return false;
  };
  own.button = (label, kind, work, { needsText = true } = {}) => {
    const button = h("button", { type: "button", class: kind, onclick: async () => {
      if (needsText && !own.editor.check()) return;
      button.disabled = true;
      try {
        const what = await work();
        if (what) {
          own.element.close();
          say(what);
          own.changed();
        }
      } catch (error) {
        own.problem.textContent = error.status === 412 ? "Somebody has changed it since it was read: nothing was done." : error.message;
        if (error.status === 412 && own.again) own.problem.append(" ", reload(own));
      }
      button.disabled = false;
    } }, label);
    own.buttons.append(button);
  };
  return own;
}

function reload(own) {
  return h("button", { type: "button", class: "quiet", onclick: async () => {
    try {
      await own.again();
      own.problem.textContent = "This is how it is now.";
    } catch (error) {
      own.problem.textContent = error.message;
    }
  } }, "Read it again");
}

function show(dialog) {
  open(dialog.element);
  dialog.editor.focus();
}
