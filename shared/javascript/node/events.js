// Listeners and what they listen to.

function EventEmitter() {
  EventEmitter.init.call(this);
}

const changed = (emitter) => {
  if (!Object.hasOwn(emitter, "_events")) EventEmitter.init.call(emitter);
  return emitter._events;
};

const added = (emitter, name, listener, isFirst) => {
  if (typeof listener !== "function") throw new TypeError('The "listener" argument must be of type function');
  const events = changed(emitter);
  if (events.has("newListener")) emitter.emit("newListener", name, listener.listener ?? listener);
  const before = events.get(name) ?? [];
  events.set(name, isFirst ? [listener, ...before] : [...before, listener]);
  return emitter;
};

const once = (emitter, name, listener) => {
  if (typeof listener !== "function") throw new TypeError('The "listener" argument must be of type function');
  const wrapped = function (...args) {
    emitter.removeListener(name, wrapped);
    return listener.apply(this, args);
  };
  wrapped.listener = listener;
  return wrapped;
};

Object.assign(EventEmitter.prototype, {
  on(name, listener) {
    return added(this, name, listener, false);
  },
  prependListener(name, listener) {
    return added(this, name, listener, true);
  },
  once(name, listener) {
    return added(this, name, once(this, name, listener), false);
  },
  prependOnceListener(name, listener) {
    return added(this, name, once(this, name, listener), true);
  },
  removeListener(name, listener) {
    const events = changed(this);
    const before = events.get(name) ?? [];
    const at = before.findLastIndex((each) => each === listener || each.listener === listener);
    if (at < 0) return this;
    if (before.length === 1) events.delete(name);
    else events.set(name, before.toSpliced(at, 1));
    if (events.has("removeListener")) this.emit("removeListener", name, before[at].listener ?? listener);
    return this;
  },
  removeAllListeners(name) {
    if (name === undefined) changed(this).clear();
    else changed(this).delete(name);
    return this;
  },
  emit(name, ...args) {
    const listeners = changed(this).get(name);
    if (listeners === undefined) {
      if (name !== "error") return false;
      if (args[0] instanceof Error) throw args[0];
      throw Object.assign(new Error(`Unhandled error. (${args[0]})`), { context: args[0] });
    }
    for (const each of listeners) each.apply(this, args);
    return true;
  },
  listeners(name) {
    return (changed(this).get(name) ?? []).map((each) => each.listener ?? each);
  },
  rawListeners(name) {
    return [...(changed(this).get(name) ?? [])];
  },
  listenerCount(name) {
    return changed(this).get(name)?.length ?? 0;
  },
  eventNames() {
    return [...changed(this).keys()];
  },
  setMaxListeners(most) {
    this._maxListeners = most;
    return this;
  },
  getMaxListeners() {
    return this._maxListeners ?? EventEmitter.defaultMaxListeners;
  },
});
EventEmitter.prototype.addListener = EventEmitter.prototype.on;
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;

EventEmitter.init = function () {
  Object.defineProperty(this, "_events", { value: new Map(), configurable: true, writable: true });
};
EventEmitter.defaultMaxListeners = 10;
EventEmitter.listenerCount = (emitter, name) => emitter.listenerCount(name);
EventEmitter.once = (emitter, name) =>
  new Promise((resolve, reject) => {
    const failed = (error) => {
      emitter.removeListener(name, done);
      reject(error);
    };
    const done = (...args) => {
      emitter.removeListener("error", failed);
      resolve(args);
    };
    emitter.once(name, done);
    if (name !== "error") emitter.once("error", failed);
  });
EventEmitter.EventEmitter = EventEmitter;

module.exports = EventEmitter;
