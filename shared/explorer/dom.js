// Elements without markup: texts are never read as HTML.

/** Make an element: properties that begin with "on" are listeners, "class" and attributes are set as they are. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "hidden") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return element;
}

const said = () => document.getElementById("said");

let toSay = "";

/** Have a screen reader say something. */
export function say(text) {
  toSay = text;
  said().textContent = "";
  requestAnimationFrame(() => {
    said().textContent = toSay;
  });
}

/** Return what stands for a name or a text, which may be empty. */
export const visible = (text) => text || "“”";

/** Count something in words. */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

export function sized(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export function timed(milliseconds) {
  return milliseconds < 10 ? `${milliseconds.toFixed(1)} ms` : `${Math.round(milliseconds)} ms`;
}

/** Make tabs, as WAI-ARIA describes them: [{id, label}], and what is called with the id of the chosen one. */
export function tabs(label, entries, chosen, choose, controls) {
  const list = h("div", { role: "tablist", "aria-label": label, class: "tabs" });
  for (const { id, label: text } of entries) {
    const isChosen = id === chosen;
    list.append(h("button", {
      type: "button", role: "tab", id: `tab-${id}`, "aria-selected": String(isChosen), "aria-controls": controls,
      tabindex: isChosen ? "0" : "-1", onclick: () => choose(id),
    }, text));
  }
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const all = [...list.children];
    const at = all.indexOf(document.activeElement);
    const next = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1
      : step === undefined ? -1 : (at + step + all.length) % all.length;
    if (next < 0) return;
    event.preventDefault();
    all[next].focus();
    all[next].click();
  });
  return list;
}

/** Make the button that copies what `textOf` gives; where a browser does not let it, `shown` is marked to be copied by hand. */
export function copier(label, kind, textOf, shown) {
  const button = h("button", { type: "button", class: kind, onclick: async () => {
    try {
      await navigator.clipboard.writeText(textOf()); // there is none without HTTPS, unless the host is this machine
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shown);
      button.textContent = "Marked: press Control and C";
    }
    say(button.textContent);
  } }, label);
  return button;
}
