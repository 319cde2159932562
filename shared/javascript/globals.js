// The globals of Node, as far as the app's sources name them: the others are not there.

const { exported, has } = part("modules");

const of = (path, name) => (has(path) ? exported(path)[name] : undefined);

return {
  get Buffer() { return of("node:buffer", "Buffer"); },
  get URL() { return of("node:url", "URL"); },
  get URLSearchParams() { return of("node:url", "URLSearchParams"); },
  get process() { return has("node:process") ? exported("node:process") : undefined; },
};
