// Dialogs: each is a step of the history, so that Back leaves it, and none with something unsaved is left unasked.

import { h } from "./dom.js";

const STEP = { dialog: true };

let current = null; // {element, address, isUnsaved, question} of the one that is open
let settled = Promise.resolve(); // the history is where it was before the last one was opened

/** Open a dialog, unless one is open already; `isUnsaved` tells whether something would be lost with it. */
export function open(element, isUnsaved = () => false) {
  if (current) return;
  const own = { element, isUnsaved, address: location.href, question: null };
  current = own;
  element.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  document.body.append(element);
  element.showModal();
  settled.then(() => {
    if (current === own) history.pushState(STEP, "");
  });
}

/** Make the button that closes the dialog that it is in. */
export function closeButton() {
  return h("button", { type: "button", class: "close", "aria-label": "Close", onclick: leave }, "×");
}

/** Close the dialog that is open, whatever is unsaved. */
export function close() {
  current?.element.close();
  forget();
  if (!history.state?.dialog) return;
  settled = new Promise((done) => {
    window.addEventListener("popstate", done, { once: true });
  });
  history.back();
}

/** Take away the dialog that is open: nobody is there any more to answer. */
export function forget() {
  current?.element.remove();
  current = null;
}

function leave() {
  if (current.isUnsaved()) ask(current);
  else close();
}

/** Ask whether what is unsaved is to be lost; asked again, take it for no. */
function ask(own) {
  if (own.question) {
    own.question.remove();
    own.question = null;
    own.element.querySelector("textarea").focus();
    return;
  }
  const stay = h("button", { type: "button", class: "main", onclick: () => ask(own) }, "Go on writing");
  own.question = h("div", { class: "question", role: "group", "aria-label": "Not saved" },
    h("p", { role: "alert" }, "What you wrote is not saved."),
    h("div", { class: "buttons" }, stay, h("button", { type: "button", class: "danger", onclick: close }, "Discard it")));
  own.element.append(own.question);
  own.question.scrollIntoView({ block: "nearest" });
  stay.focus();
}

document.addEventListener("keydown", (event) => {
  if (!current || event.key !== "Escape" || event.defaultPrevented) return;
  event.preventDefault(); // else a browser closes the dialog at the second time, unasked
  leave();
});

window.addEventListener("popstate", () => {
  if (!current || history.state?.dialog) return;
  if (!current.isUnsaved()) {
    current.element.close();
    forget();
    return;
  }
  history.pushState(STEP, "", current.address);
  if (!current.question) ask(current);
});

window.addEventListener("beforeunload", (event) => {
  if (current?.isUnsaved()) event.preventDefault();
});
