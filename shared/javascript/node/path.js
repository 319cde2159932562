// Paths as POSIX has them. Nothing is asked of a file system: the working directory is the root.

const text = (path) => {
  if (typeof path !== "string") throw new TypeError("a path must be a string");
  return path;
};

const normalized = (path, isAbsolute) => {
  const parts = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length && parts[parts.length - 1] !== "..") parts.pop();
    else if (!isAbsolute) parts.push("..");
  }
  return parts.join("/");
};

const trimmed = (path) => path.replace(/(?<=.)\/+$/, "");

const path = {
  sep: "/",
  delimiter: ":",
  isAbsolute: (given) => text(given).startsWith("/"),
  normalize(given) {
    if (text(given) === "") return ".";
    const isAbsolute = path.isAbsolute(given);
    const found = normalized(given, isAbsolute);
    if (isAbsolute && found === "") return "/";
    return `${isAbsolute ? "/" : ""}${found || "."}${given.endsWith("/") ? "/" : ""}`;
  },
  join: (...parts) => path.normalize(parts.map(text).filter((each) => each !== "").join("/")),
  resolve(...parts) {
    let found = "";
    for (const part of parts.reverse()) {
      if (!found.startsWith("/") && text(part) !== "") found = found === "" ? part : `${part}/${found}`;
    }
    return `/${normalized(found, true)}`;
  },
  dirname(given) {
    const end = trimmed(text(given)).lastIndexOf("/");
    return end < 0 ? "." : trimmed(given.slice(0, end)) || "/";
  },
  basename(given, suffix = "") {
    if (suffix === text(given)) return "";
    const whole = trimmed(given);
    const name = whole.slice(whole.lastIndexOf("/") + 1);
    return suffix !== "" && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
  },
  extname(given) {
    const name = path.basename(given);
    const at = name.lastIndexOf(".");
    return at > 0 && name !== ".." ? name.slice(at) : "";
  },
  relative(from, to) {
    const [before, after] = [from, to].map((each) => path.resolve(each).split("/").filter(Boolean));
    let same = 0;
    while (same < before.length && before[same] === after[same]) same++;
    return [...before.slice(same).map(() => ".."), ...after.slice(same)].join("/");
  },
  parse(given) {
    const base = path.basename(given);
    const ext = path.extname(base);
    const root = path.isAbsolute(given) ? "/" : "";
    const dir = base === "" || !trimmed(given).includes("/") ? root : path.dirname(given);
    return { root, dir, base, ext, name: base.slice(0, base.length - ext.length) };
  },
  format({ root = "", dir = "", base = "", name = "", ext = "" }) {
    const file = base || name + ext;
    if (dir === "") return root + file;
    return dir === root ? dir + file : `${dir}/${file}`;
  },
};
path.posix = path;

module.exports = path;
