// Values of BSON on the page: as a line, and as a tree with their types.

import { Elements, Members } from "./ejson.js";
import { counted, h, visible } from "./dom.js";

const LONGEST = 120; // characters of a value in a cell
const FIRST = 6; // elements or members that are told
const OPENED = 2; // levels of a tree
const MOST = 200; // elements or members of a tree that are shown at once
const LONGEST_TEXT = 10_000; // characters of a value in a tree

/** Tell a value in one line, as much of it as fits. */
export function line(value) {
  if (value === undefined) return "";
  if (value instanceof Members) return `{ ${some(value.entries, ([name, each]) => `${visible(name)}: ${inner(each)}`)} }`;
  if (value instanceof Elements) return `[ ${some(value.values, inner)} ]`;
  return value.text;
}

function some(values, tell) {
  const told = values.slice(0, FIRST).map(tell);
  return [...told, ...(values.length > FIRST ? ["…"] : [])].join(", ");
}

function inner(value) {
  if (value instanceof Members) return `{ ${counted(value.entries.length, "member")} }`;
  return value instanceof Elements ? `[ ${counted(value.values.length, "element")} ]` : value.text;
}

/** Make what stands for a value in a table: its text, and its type in small letters behind it. */
export function inCell(value) {
  if (value === undefined) return h("span", { class: "absent" }, h("span", { class: "unseen" }, "absent"));
  const text = line(value);
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return h("span", { class: `v v-${value.type}` }, h("span", { class: "text" }, visible(short)), kind(value));
}

function kind(value) {
  return h("small", { class: "type" }, value.type);
}

/** Make a tree of a document that can be opened and closed. */
export function tree(value, depth = 0) {
  const entries = value instanceof Members ? value.entries : value.values.map((each, at) => [String(at), each]);
  const list = h("ul", { class: "tree" });
  const more = (from) => {
    list.append(...entries.slice(from, from + MOST).map(([name, each]) => branch(name, each, depth)));
    const left = entries.length - from - MOST;
    if (left <= 0) return;
    const button = h("button", { type: "button", class: "quiet", onclick: () => {
      const last = list.lastChild;
      more(from + MOST);
      last.remove();
    } }, `${Math.min(left, MOST)} more of ${left.toLocaleString("en")}`);
    list.append(h("li", {}, button));
  };
  more(0);
  return list;
}

function branch(name, each, depth) {
  const isNested = each instanceof Members || each instanceof Elements;
  const label = h("span", { class: "field" }, visible(name));
  if (!isNested) {
    const whole = each.type === "string" ? JSON.stringify(each.text) : each.text;
    const text = whole.length > LONGEST_TEXT ? `${whole.slice(0, LONGEST_TEXT)}…` : whole;
    return h("li", {}, label, h("span", { class: `v v-${each.type}` }, h("span", { class: "text" }, text), kind(each)));
  }
  const details = h("details", { open: depth < OPENED }, h("summary", {}, label, h("span", { class: "v" }, inner(each), kind(each))));
  const fill = () => {
    if (details.open && details.childElementCount === 1) details.append(tree(each, depth + 1));
  };
  details.addEventListener("toggle", fill);
  fill();
  return h("li", {}, details);
}
