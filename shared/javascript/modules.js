// What functions load by name: modules of Node that are plain JavaScript, and the packages of the app.
//
// Which file a name means to which other was found when the app was loaded: nothing is searched for here.

const packages = textsOf(began.packages, began.modules);
const loading = create(null); // the modules by file: one that is still being read has what it exports so far

const missing = (name) => {
  const error = new TheError(`Cannot find module '${cut(toText(name), 0, LONGEST_NAME)}'`);
  set(error, "code", "MODULE_NOT_FOUND");
  return error;
};

/** Return what a module exports that is read from one of some texts. */
const exported = (id, texts, path) => {
  if (loading[id] !== undefined) return loading[id].exports;
  const module = { exports: {}, id, filename: id, loaded: false };
  loading[id] = module;
  try {
    const source = cutOut(texts, path);
    if (cut(path, path.length - 5) === ".json") {
      module.exports = parsed(source);
    } else {
      const made = factory(id, "exports, require, module, __filename, __dirname", source, "");
      const folder = cut(id, 0, lastOf(id, "/"));
      apply(made, module.exports, [module.exports, requiring(path), module, id, folder]);
    }
    module.loaded = true;
  } catch (error) {
    delete loading[id];
    throw error;
  }
  return module.exports;
};

/** Return `require` of a file, "" for the app's functions. */
const requiring = (from) => (name) => {
  if (typeof name !== "string") throw missing(name);
  const node = `node/${find(name, "node:") === 0 ? cut(name, 5) : name}`;
  if (own(partTexts.places, node) !== undefined) return exported(node, partTexts, node);
  const names = own(packages.places, from)?.[2];
  const path = names === undefined ? undefined : own(names, name);
  if (path === undefined) throw missing(name);
  return exported(`node_modules/${path}`, packages, path);
};

return { required: requiring("") };
