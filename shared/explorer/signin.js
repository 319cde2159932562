// Who calls: a key, or a user of the app.

import { anonymously, asUser, byKey, place, signIn, who } from "./api.js";
import { close, closeButton, open } from "./dialog.js";
import { h } from "./dom.js";

const REFUSED = {
  key: "The service does not know this key, or it has ended.",
  user: "No user has this address and password.",
  anonymous: "The app lets nobody in anonymously.",
};
const NO_PROVIDER = "This service has no app whose users sign in in this way: use an API key.";
const OTHER_APP = "This service is of an app whose id is another: enter its App id.";
const ANY_APP = "dozen"; // users are those of an app

/** Make the page on which one signs in; `done` is called when the service has taken the credential. */
export function signInPage(done) {
  const problem = h("p", { class: "problem", role: "alert" });
  const key = field("Key", { id: "key", type: "password", autocomplete: "off", required: true });
  const app = field("App id", { id: "app", value: place.app, placeholder: "any, unless APP_ID is set", autocomplete: "off" });
  const email = field("E-mail", { id: "email", type: "email", autocomplete: "username", required: true });
  const password = field("Password", { id: "password", type: "password", autocomplete: "current-password", required: true });
  const source = field("Data source", { id: "source", value: place.dataSource, placeholder: "the first", autocomplete: "off" });
  const panels = { key: [key.element], user: [email.element, password.element], anonymous: [] };
  const panel = h("div", {}, panels.key);
  let way = "key";

  const ways = h("div", { class: "switch", role: "radiogroup", "aria-label": "Sign in with" },
    [["key", "API key"], ["user", "E-mail"], ["anonymous", "Anonymous"]].map(([id, label]) => h("label", {},
      h("input", { type: "radio", name: "way", checked: id === way, onchange: () => {
        way = id;
        panel.replaceChildren(...panels[id]);
        problem.textContent = "";
      } }), h("span", {}, label))));

  function enter() {
    place.app = app.input.value.trim() || (way === "key" ? "" : ANY_APP);
    place.dataSource = source.input.value.trim();
    if (way === "key") return signIn(byKey(key.input.value.trim()));
    return signIn(way === "user" ? asUser(email.input.value.trim(), password.input.value) : anonymously);
  }

  const submit = h("button", { type: "submit", class: "main" }, "Sign in");
  const more = h("details", { class: "options" }, h("summary", {}, "App id and data source"), h("div", { class: "pair" }, app.element, source.element));
  return h("main", { class: "signin" },
    h("div", { class: "card" },
      h("img", { src: "explorer/icon.svg", alt: "", width: "44", height: "44" }),
      h("h1", {}, "Dozen explorer"),
      h("p", { class: "lead" }, "See your databases as your programs do: under the same rules, through the same calls."),
      ways,
      h("form", { onsubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        problem.textContent = "";
        try {
          done(await enter());
        } catch (error) {
          const isOfApp = error.status === 404 && !error.code;
          problem.textContent = isOfApp ? OTHER_APP : reasonOf(error, way);
          more.open ||= isOfApp;
          (isOfApp ? app.input : panel.querySelector("input"))?.focus();
        }
        submit.disabled = false;
      } },
      panel,
      more, problem, submit),
      h("p", { class: "note" }, "What you enter stays in the memory of this page: it is stored nowhere, and gone when you reload.")));
}

function reasonOf(error, way) {
  return error.status === 401 ? REFUSED[way] : error.code === "AuthProviderNotFound" ? NO_PROVIDER : error.message;
}

/** Make the button with which one signs in again without leaving what is on the page, and then goes on. */
export function againButton(goOn) {
  return h("button", { type: "button", class: "quiet", onclick: () => {
    open(h("dialog", { "aria-label": "Sign in again", class: "narrow" },
      h("div", { class: "head" }, h("h2", {}, "Sign in again"), closeButton()),
      againForm(() => {
        close();
        goOn();
      })));
  } }, "Sign in again");
}

/** Make what lets one go on whose key or session has ended, in the place where one is told so. */
export function againForm(done) {
  const isUser = who.way === "user";
  const isSecret = who.way !== "anonymous";
  const problem = h("p", { class: "problem", role: "alert" });
  const secret = field(isUser ? "Password" : "Key", { id: "again", type: "password", autocomplete: isUser ? "current-password" : "off", required: true, autofocus: true });
  const submit = h("button", { type: "submit", class: "main", autofocus: !isSecret }, "Sign in");
  const prove = () => (isUser ? asUser(who.name, secret.input.value) : isSecret ? byKey(secret.input.value.trim()) : anonymously);
  const form = h("form", { class: "again", "aria-label": "Sign in again", onsubmit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    problem.textContent = "";
    try {
      const databases = await signIn(prove());
      document.dispatchEvent(new CustomEvent("signed-in", { detail: databases }));
      done();
    } catch (error) {
      problem.textContent = reasonOf(error, who.way);
      secret.input.focus();
    }
    submit.disabled = false;
  } },
  isUser && h("p", { class: "note" }, "You are ", h("strong", {}, who.name), "."),
  !isSecret && h("p", { class: "note" }, "You will be another anonymous user, to whom nothing of the one before belongs."),
  h("div", { class: "query-line" }, isSecret && secret.element, submit), problem);
  return form;
}

function field(label, attributes) {
  const input = h("input", { spellcheck: "false", autocapitalize: "off", ...attributes });
  return { input, element: h("div", { class: "labelled" }, h("label", { for: attributes.id, class: "label" }, label), input) };
}
