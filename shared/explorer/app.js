// The page: who signs in, which collection is open, and which view of it.

import { actionsView } from "./actions.js";
import { bodyOf, call, place, signedIn, signOut, who } from "./api.js";
import { changesView } from "./changes.js";
import { description, forgetDescription } from "./described.js";
import { forget as forgetDialog } from "./dialog.js";
import { documentsView, forgetDocuments } from "./documents.js";
import { copier, counted, h, say, sized, tabs } from "./dom.js";
import { indexesView } from "./indexes.js";
import { fieldsOf, schemaOf, schemaView } from "./schema.js";
import { againButton, signInPage } from "./signin.js";

const VIEWS = [
  { id: "documents", label: "Documents" }, { id: "schema", label: "Schema" }, { id: "indexes", label: "Indexes" },
  { id: "changes", label: "Changes" }, { id: "actions", label: "Actions" },
];

const TITLE = document.title;
const page = document.getElementById("page");
const asked = new URLSearchParams(location.search);
place.app = asked.get("app") ?? place.app;
place.dataSource = asked.get("dataSource") ?? place.dataSource;

let leave = () => {};
let whenSignedIn = () => {}; // again, on the page as it is
let shown = ""; // the part of the address that is on the page

/** Return the collection and the view that the address names. */
function chosen() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const [database, collection, view] = parts;
  return { database, collection, view: VIEWS.some(({ id }) => id === view) ? view : VIEWS[0].id };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function go(database, collection, view) {
  location.hash = `/${[database, collection, view].filter(Boolean).map(encodeURIComponent).join("/")}`;
}

function start() {
  leave();
  leave = () => {};
  forgetDescription();
  forgetDocuments();
  forgetDialog();
  window.onhashchange = null;
  say("");
  document.title = TITLE;
  page.textContent = "";
  page.append(signInPage(shell));
  document.getElementById("key").focus();
}

function shell(databases) {
  const main = h("main", { id: "main", tabindex: "-1" });
  const sidebar = h("nav", { id: "sidebar", "aria-label": "Collections" });
  const menu = h("button", { type: "button", class: "quiet menu", "aria-expanded": "false", "aria-controls": "sidebar", onclick: () => {
    const isOpen = sidebar.classList.toggle("open");
    menu.setAttribute("aria-expanded", String(isOpen));
    sidebar.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  } }, "Collections");
  const close = () => {
    sidebar.classList.remove("open");
    menu.setAttribute("aria-expanded", "false");
  };
  sidebar.addEventListener("click", (event) => event.target.closest("a") && close());
  page.textContent = "";
  page.append(
    h("a", { class: "skip", href: "#main", onclick: (event) => {
      event.preventDefault();
      main.focus();
    } }, "To the content"),
    h("header", { class: "top" }, h("img", { src: "explorer/icon.svg", alt: "", width: "26", height: "26" }), h("strong", {}, "Dozen"), menu,
      h("span", { class: "source" }, [place.app, place.dataSource].filter(Boolean).join(" / ")), h("button", { type: "button", class: "quiet", onclick: () => {
        signOut();
        history.replaceState(null, "", location.pathname + location.search);
        start();
      } }, "Sign out")),
    h("div", { class: "body" }, sidebar, main));
  let tree = databaseList(databases, sidebar);
  whenSignedIn = (found) => {
    forgetDescription();
    sidebar.textContent = "";
    tree = databaseList(found, sidebar);
    tree.mark();
  };
  window.onhashchange = () => {
    if (location.hash === shown) return; // a dialog that is not to be left has put it back
    close();
    tree.mark();
    showCollection(main);
  };
  tree.mark();
  showCollection(main);
  if (!chosen().collection && databases.length) {
    tree.open(databases[0].name);
    if (menu.checkVisibility()) menu.click();
  }
}

/** Say who is signed in, with the id that documents name as their owner. */
function whoNote() {
  const id = h("code", {}, who.id);
  return h("p", { class: "note who" }, `You are ${who.name}, id `, id, copier("Copy my id", "quiet", () => who.id, id));
}

function databaseList(databases, sidebar) {
  const groups = new Map();
  if (!databases.length) sidebar.append(h("p", { class: "note" }, "There is no database here yet that you may see."));
  if (who.id) sidebar.append(whoNote());
  for (const { name, sizeOnDisk } of databases) {
    const items = h("ul", {});
    const details = h("details", { ontoggle: () => details.open && fill(name, items) },
      h("summary", {}, h("span", { class: "name" }, name), sizeOnDisk !== undefined && h("small", {}, sized(Number(sizeOnDisk)))), items);
    groups.set(name, details);
    sidebar.append(details);
  }
  sidebar.append(h("p", { class: "another" }, h("a", { href: "#/" }, "Another collection…")));
  function mark() {
    const { database, collection } = chosen();
    if (groups.has(database)) groups.get(database).open = true;
    for (const link of sidebar.querySelectorAll("a")) {
      const isCurrent = link.dataset.database === database && link.dataset.collection === collection;
      if (isCurrent) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ block: "nearest" });
      } else link.removeAttribute("aria-current");
    }
  }
  async function fill(database, items) {
    if (items.childElementCount && !items.querySelector(".problem")) return;
    try {
      const reply = await call("listCollections", bodyOf({ database: JSON.stringify(database), nameOnly: "true" }), { headers: { Accept: "application/json" } });
      const { collections } = JSON.parse(reply.text);
      items.textContent = "";
      collections.sort((a, b) => a.name.localeCompare(b.name));
      items.append(...collections.map(({ name, type }) => h("li", {}, h("a", {
        href: `#/${encodeURIComponent(database)}/${encodeURIComponent(name)}`, "data-database": database, "data-collection": name,
        title: name,
      }, h("span", { class: "clamped" }, name), type !== "collection" && h("small", {}, ` ${type}`)))));
      if (!collections.length) items.append(h("li", { class: "note" }, "no collections"));
      mark();
    } catch (error) {
      items.replaceChildren(h("li", { class: "problem" }, error.message, error.status === 401 && againButton(() => {})));
    }
  }
  return { mark, open: (name) => {
    groups.get(name).open = true;
  } };
}

function showCollection(main) {
  leave();
  leave = () => {};
  shown = location.hash;
  const isByTab = document.activeElement?.getAttribute("role") === "tab";
  main.textContent = "";
  const { database, collection, view } = chosen();
  if (!database || !collection) {
    document.title = TITLE;
    main.append(welcome());
    suggest(main);
    return;
  }
  document.title = `${database}.${collection} · Dozen`;
  const facts = h("span", { class: "count" });
  const panel = h("div", { id: "panel", role: "tabpanel", "aria-labelledby": `tab-${view}`, tabindex: "-1" });
  main.append(
    h("div", { class: "title" }, h("h1", {}, h("span", { class: "database" }, `${database} / `), collection), facts),
    tabs("Views", VIEWS, view, (id) => go(database, collection, id), "panel"), panel);
  document.getElementById(`tab-${view}`).scrollIntoView({ block: "nearest", inline: "nearest" });
  if (isByTab) document.getElementById(`tab-${view}`).focus();
  const namespace = { database, collection };
  count(namespace, facts);
  show(view, namespace, panel);
}

function welcome() {
  const database = h("input", { id: "database", required: true, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  const collection = h("input", { id: "collection", required: true, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  return h("div", { class: "welcome" },
    h("h1", {}, "Choose a collection"),
    h("p", { class: "lead" }, "Its documents, its schema, its indexes and what changes in it are one click away."),
    h("form", { class: "card", onsubmit: (event) => {
      event.preventDefault();
      go(database.value, collection.value);
    } },
    h("h2", {}, "Go to one by its name"),
    h("p", { class: "note" }, "One that is not there yet begins with its first document."),
    h("div", { class: "labelled" }, h("label", { class: "label", for: "database" }, "Database"), database),
    h("div", { class: "labelled" }, h("label", { class: "label", for: "collection" }, "Collection"), collection),
    h("button", { type: "submit", class: "main" }, "Open the collection")));
}

/** Offer the collections that rules open: they may have no document yet, and so be in no list. */
async function suggest(main) {
  if (!who.id) return;
  const { namespaces: found } = await description().catch(() => ({ namespaces: [] }));
  const box = main.querySelector(".welcome");
  if (!found.length || !box) return;
  box.append(h("h2", {}, "Open to you by the rules"), h("ul", { class: "open-ones" }, found.map(({ database, collection }) =>
    h("li", {}, h("a", { href: `#/${encodeURIComponent(database)}/${encodeURIComponent(collection)}` }, `${database}.${collection}`)))));
}

async function count(namespace, facts) {
  const body = bodyOf({ database: JSON.stringify(namespace.database), collection: JSON.stringify(namespace.collection) });
  try {
    const reply = await call("estimatedDocumentCount", body, { headers: { Accept: "application/json" } });
    facts.textContent = counted(JSON.parse(reply.text).count, "document");
  } catch {
    facts.textContent = ""; // of a view, for instance: its documents say so themselves
  }
}

async function show(view, namespace, panel) {
  let fields = [];
  try {
    if (view === "documents") {
      panel.append(documentsView(namespace, () => fields, () => count(namespace, document.querySelector(".title .count") ?? h("span"))));
      fields = fieldsOf(await schemaOf(namespace));
    } else if (view === "schema") {
      panel.append(schemaView(await waited(panel, schemaOf(namespace))));
    } else if (view === "indexes") {
      panel.append(await waited(panel, indexesView(namespace)));
    } else if (view === "actions") {
      panel.append(await waited(panel, actionsView(namespace)));
    } else {
      const changes = changesView(namespace);
      leave = changes.stop;
      panel.append(changes.element);
    }
  } catch (error) {
    if (view !== "documents" && panel.isConnected) panel.append(failed(error, () => {
      panel.textContent = "";
      show(view, namespace, panel);
    }));
  }
}

function failed(error, again) {
  return h("div", { class: "empty" }, h("p", { role: "alert" }, error.message),
    error.status === 401 && againButton(again), isPassing(error) && h("button", { type: "button", onclick: again }, "Try again"));
}

const isPassing = ({ status }) => !status || status === 429 || status >= 500;

async function waited(panel, work) {
  panel.setAttribute("aria-busy", "true");
  try {
    return await work;
  } finally {
    panel.removeAttribute("aria-busy");
  }
}

// Whoever comes back to the page is to sign in: it may be somebody else.
window.addEventListener("pagehide", () => {
  if (signedIn()) again();
});
document.addEventListener("signed-in", ({ detail }) => whenSignedIn(detail));

function again() {
  signOut();
  start();
}

start();
