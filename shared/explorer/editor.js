// A text field for Extended JSON: colours behind it, and names of fields and operators to choose from while one types.

import { parse } from "./ejson.js";
import { counted, h, say } from "./dom.js";

const WORDS = /("[^"\\\n]*(?:\\.[^"\\\n]*)*"?)(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|\b(true|false|null)\b|[{}[\],]/g;
const MOST_COLOURED = 60_000; // characters; in longer texts nothing is offered either
const MOST_SHOWN = 8;
let editors = 0;

/** Make an editor: {element, value, problem(), focus()}; `words` gives what may be completed for a name or a value. */
export function editor({ label, value = "", words = () => [], rows = 3, run, describedby, readonly = false }) {
  const id = `editor-${++editors}`;
  const field = h("textarea", {
    id, class: "code", rows, spellcheck: "false", autocapitalize: "off", autocomplete: "off", autocorrect: "off",
    "aria-label": label, "aria-autocomplete": "list", "aria-controls": `${id}-words`,
    "aria-describedby": describedby, readonly,
  });
  const colours = h("pre", { class: "code colours", "aria-hidden": "true" });
  const list = h("ul", { id: `${id}-words`, class: "words", role: "listbox", "aria-label": `Words for ${label}`, hidden: true });
  const problem = h("p", { class: "problem", id: `${id}-problem`, role: "alert", hidden: true });
  const element = h("div", { class: "editor" }, h("div", { class: "sheet" }, colours, field), list, problem);
  const completion = new Completion(field, list, words);

  const shown = () => {
    paint(colours, field.value);
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight + 2, 480)}px`;
  };
  field.addEventListener("input", () => {
    problem.hidden = true;
    field.removeAttribute("aria-invalid");
    shown();
    completion.update();
  });
  field.addEventListener("scroll", () => {
    colours.scrollTop = field.scrollTop;
    colours.scrollLeft = field.scrollLeft;
  });
  field.addEventListener("keydown", (event) => {
    if (completion.key(event)) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && run) {
      event.preventDefault();
      run();
    }
  });
  field.addEventListener("blur", () => completion.close());
  field.value = value;
  field.setSelectionRange(0, 0);
  requestAnimationFrame(shown);

  return {
    element,
    get value() {
      return field.value;
    },
    set value(text) {
      field.value = text;
      shown();
    },
    /** Return whether the text is JSON; if not, say where it is not. An empty one may stand for nothing. */
    check({ mayBeEmpty = false } = {}) {
      if (mayBeEmpty && !field.value.trim()) return true;
      try {
        parse(field.value);
        return true;
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-errormessage", problem.id);
        field.focus();
        return false;
      }
    },
    focus: () => field.focus(),
  };
}

function paint(colours, text) {
  colours.textContent = "";
  if (text.length > MOST_COLOURED) {
    colours.textContent = `${text}\n`;
    return;
  }
  let at = 0;
  for (const found of text.matchAll(WORDS)) {
    const [whole, quoted, colon, number, word] = found;
    colours.append(text.slice(at, found.index));
    const kind = quoted ? (colon ? (quoted.startsWith('"$') ? "operator" : "name") : "string") : number ? "number" : word ? "word" : "mark";
    colours.append(h("span", { class: `c-${kind}` }, quoted ?? whole));
    if (colon) colours.append(colon);
    at = found.index + whole.length;
  }
  colours.append(`${text.slice(at)}\n`);
}

/** Where the caret stands: the word before it, and whether it is a name or a value there, and at which depth. */
function placeOf(before) {
  let read = 0; // up to here there are whole tokens
  let depth = 0;
  let isName = true;
  let lastName = "";
  const opened = [];
  for (const found of before.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")|[{}[\],:]/g)) {
    const [token, quoted] = found;
    read = found.index + token.length;
    if (quoted) {
      lastName = isName ? unquoted(quoted) : lastName;
    } else if (token === "{" || token === "[") {
      opened.push([token, lastName]);
      depth += 1;
      isName = token === "{";
    } else if (token === "}" || token === "]") {
      opened.pop();
      depth -= 1;
      isName = false;
    } else {
      isName = token === "," && opened.at(-1)?.[0] === "{";
    }
  }
  const rest = before.slice(read);
  const quote = rest.indexOf('"');
  const start = quote < 0 ? before.length - BARE.exec(rest)[0].length : read + quote;
  const word = quote < 0 ? before.slice(start) : unquoted(`${before.slice(start)}"`);
  const owners = opened.filter(([token]) => token === "{").map(([, name]) => name);
  return { start, word, depth, isName: depth > 0 && isName, name: lastName, owners };
}

const BARE = /[$\p{L}\p{N}_.-]*$/u;

function unquoted(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1);
  }
}

class Completion {
  constructor(field, list, words) {
    Object.assign(this, { field, list, words, found: [], chosen: -1 });
  }

  update({ asked = false } = {}) {
    const before = this.field.value.slice(0, this.field.selectionStart);
    if (before.length > MOST_COLOURED) {
      this.close();
      return;
    }
    const place = placeOf(before);
    const isBegun = place.word || before[place.start] === '"';
    const all = (isBegun || asked) && place.depth > 0 ? this.words(place) : [];
    const wanted = place.word.toLowerCase();
    this.found = [...new Map(all.map((each) => [each.text, each])).values()]
      .filter(({ text }) => text.toLowerCase().includes(wanted) && text !== place.word)
      .sort((a, b) => !a.text.toLowerCase().startsWith(wanted) - !b.text.toLowerCase().startsWith(wanted))
      .slice(0, MOST_SHOWN);
    if (this.found.length) say(`${counted(this.found.length, "word")} to choose from with the arrow keys`);
    this.place = place;
    this.chosen = -1;
    this.show();
  }

  show() {
    this.list.textContent = "";
    this.found.forEach(({ text, note }, at) => {
      const isChosen = at === this.chosen;
      this.list.append(h("li", {
        role: "option", id: `${this.list.id}-${at}`, "aria-selected": String(isChosen), class: isChosen && "chosen",
        onmousedown: (event) => {
          event.preventDefault();
          this.take(at);
        },
      }, h("span", {}, text), note && h("small", {}, note)));
    });
    this.list.hidden = !this.found.length;
    if (this.chosen >= 0) this.field.setAttribute("aria-activedescendant", `${this.list.id}-${this.chosen}`);
    else this.field.removeAttribute("aria-activedescendant");
  }

  close() {
    this.found = [];
    this.chosen = -1;
    this.show();
  }

  /** Return whether the key was ours. */
  key(event) {
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      this.update({ asked: true });
      return true;
    }
    if (!this.found.length) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.chosen = (this.chosen + step + this.found.length) % this.found.length;
      this.show();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      this.close();
    } else if ((event.key === "Enter" || event.key === "Tab") && this.chosen >= 0 && !event.ctrlKey) {
      this.take(this.chosen);
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  take(at) {
    const { text, insert } = this.found[at];
    const { start, isName } = this.place;
    const end = this.field.selectionStart;
    const behind = this.field.value.slice(end).replace(/^[$\p{L}\p{N}_.-]*"?/u, "");
    const colon = isName && !/^\s*:/.test(behind) ? ": " : "";
    const written = (insert ?? JSON.stringify(text)) + colon;
    this.field.value = this.field.value.slice(0, start) + written + behind;
    this.field.selectionStart = this.field.selectionEnd = start + written.length;
    this.close();
    this.field.dispatchEvent(new Event("input"));
    this.close();
  }
}
