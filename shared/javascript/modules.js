// What functions load by name: modules of Node that are plain JavaScript, and the packages of the app.
//
// Which file a name means to which other was found when the app was loaded: nothing is searched for here.

const packages = textsOf(began.packages, began.modules);
const loading = create(null); // the modules by file: one that is still being read has what it exports so far

const PARAMETERS = "exports, require, module, __filename, __dirname";

const missing = (name) => {
  const error = new TheError(`Cannot find module '${cut(toText(name), 0, LONGEST_NAME)}'`);
  set(error, "code", "MODULE_NOT_FOUND");
  return error;
};

/** Return what a file exports. */
const exported = (path) => {
  if (loading[path] !== undefined) return loading[path].exports;
  const isOurs = find(path, "node:") === 0;
  const id = isOurs ? path : `node_modules/${path}`;
  const module = { exports: {}, id, filename: id, loaded: false };
  loading[path] = module;
  try {
    if (cut(path, path.length - 5) === ".json") {
      module.exports = parsed(cutOut(packages, path));
    } else {
      const made = factory(id, packages, path, PARAMETERS + (isOurs ? ", native" : ""), "");
      const native = path === "node:crypto" ? part("crypto") : undefined;
      const folder = cut(id, 0, lastOf(id, "/"));
      apply(made, module.exports, [module.exports, requiring(path), module, id, folder, native]);
    }
    module.loaded = true;
  } catch (error) {
    delete loading[path];
    throw error;
  }
  return module.exports;
};

/** Return `require` of a file, "" for the app's functions. */
const requiring = (from) => (name) => {
  const names = own(packages.places, from)?.[2];
  const path = names === undefined || typeof name !== "string" ? undefined : own(names, name);
  if (path === undefined || !has(path)) throw missing(name);
  return exported(path);
};

const has = (path) => own(packages.places, path) !== undefined;

return { exported, has, required: requiring("") };
