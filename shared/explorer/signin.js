// Who calls: a key, or a user of the app.

import { call, bodyOf, logIn, place, signOut, useKey } from "./api.js";
import { h } from "./dom.js";

const REFUSED = {
  key: "The service does not know this key, or it has ended.",
  user: "No user has this address and password.",
  anonymous: "The app lets nobody in anonymously.",
};
const NO_PROVIDER = "This service has no app whose users sign in in this way: use an API key.";
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

  async function signIn() {
    place.app = app.input.value.trim() || (way === "key" ? "" : ANY_APP);
    place.dataSource = source.input.value.trim();
    if (way === "key") useKey(key.input.value.trim());
    else if (way === "user") await logIn("local-userpass", { username: email.input.value.trim(), password: password.input.value });
    else await logIn("anon-user", {});
    try {
      return JSON.parse((await call("listDatabases", bodyOf({}), { headers: { Accept: "application/json" } })).text).databases;
    } catch (error) {
      signOut();
      throw error;
    }
  }

  const submit = h("button", { type: "submit", class: "main" }, "Sign in");
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
          done(await signIn());
        } catch (error) {
          problem.textContent = error.status === 401 ? REFUSED[way] : error.code === "AuthProviderNotFound" ? NO_PROVIDER : error.message;
          panel.querySelector("input")?.focus();
        }
        submit.disabled = false;
      } },
      panel,
      h("details", { class: "options" }, h("summary", {}, "App id and data source"), h("div", { class: "pair" }, app.element, source.element)),
      problem, submit),
      h("p", { class: "note" }, "What you enter stays in the memory of this page: it is stored nowhere, and gone when you reload.")));
}

function field(label, attributes) {
  const input = h("input", { spellcheck: "false", autocapitalize: "off", ...attributes });
  return { input, element: h("div", { class: "labelled" }, h("label", { for: attributes.id, class: "label" }, label), input) };
}
