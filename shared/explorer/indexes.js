// The indexes of a collection.

import { bodyOf, call } from "./api.js";
import { h } from "./dom.js";
import { parse, print, typed } from "./ejson.js";

const SHOWN = new Set(["v", "key", "name"]);

/** Make the view of a collection's indexes; throw Failure where they are not told. */
export async function indexesView(namespace) {
  const body = bodyOf({ database: JSON.stringify(namespace.database), collection: JSON.stringify(namespace.collection) });
  const reply = await call("listIndexes", body);
  const indexes = parse(reply.text).get("indexes").values.map(typed);
  if (!indexes.length) return h("p", { class: "empty" }, "There is no index yet: there is no such collection.");
  const rows = indexes.map((index) => h("tr", {},
    h("th", { scope: "row" }, index.get("name").text),
    h("td", {}, index.get("key").entries.map(([path, order]) => h("span", { class: "kind" }, path, h("small", {}, ` ${print(order)}`)))),
    h("td", {}, index.entries.filter(([name]) => !SHOWN.has(name)).map(([name, value]) => h("code", {}, `${name}: ${print(value)} `)))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Indexes" },
    h("table", {}, h("thead", {}, h("tr", {}, ["Name", "Keys", "Options"].map((each) => h("th", { scope: "col" }, each)))), h("tbody", {}, rows)));
}
