// What people read: errors, and lines of the console.

const { rewritten } = part("forms");

const MOST_LOGGED = 25;
const LONGEST_LOGGED = 512;
const LONGEST_ERROR = 1000;

let logged = create(null);
let count = 0;

const failure = ({ name, message, ...more }) => {
  const error = new TheError(message);
  set(error, "name", name);
  forEach(keysOf(more), (member) => set(error, member, more[member]));
  return error;
};

/** Return the beginning of a text, for people: half a character, which no other text may hold, is another there. */
const clipped = (text, most) => wellFormed(cut(text, 0, most));

/** Return what people read of a value. */
const shown = (value) => {
  try {
    if (isError(value)) return `${value.name}: ${value.message}`;
    return isObject(value) ? quoted(value) : toText(value);
  } catch {
    return "(a value that cannot be shown)";
  }
};

const log = (frame, level, values) => {
  let text = "";
  for (let i = 0; i < values.length; i++) text += (i ? " " : "") + cut(shown(values[i]), 0, LONGEST_LOGGED);
  const said = `{"level":"${level}","text":${quoted(clipped(text, LONGEST_LOGGED))}}`;
  logged[count++ % MOST_LOGGED] = `log ${frame.id} 0 ${said}\n`;
};

/** Return the lines that were logged last, and forget them. */
const logs = () => {
  let text = "";
  for (let i = count > MOST_LOGGED ? count - MOST_LOGGED : 0; i < count; i++) text += logged[i % MOST_LOGGED];
  logged = create(null);
  count = 0;
  return text;
};

const thrown = (error) => {
  const described = { __proto__: null, name: "", message: "(an error that cannot be read)", stack: "" };
  try {
    if (isError(error)) {
      const { name, message, stack } = error;
      described.name = clipped(`${name}`, LONGEST_NAME);
      described.message = clipped(`${message}`, LONGEST_ERROR);
      described.stack = clipped(`${stack}`, 4 * LONGEST_ERROR);
    } else {
      const shownError = error === null ? "null, which the engine throws when memory is out" : shown(error);
      described.message = clipped(shownError, LONGEST_ERROR);
    }
  } catch {
    // what can be read was
  }
  return rewritten(described);
};

return { failure, log, logs, thrown };
