// What programs ask about the process that they run in: nothing of the real one, and an environment that is empty.

const version = "10.18.1";
const started = Date.now();

const hrtime = (before = [0, 0]) => {
  const now = Date.now() - started;
  const [seconds, nanoseconds] = [Math.floor(now / 1000) - before[0], (now % 1000) * 1e6 - before[1]];
  return nanoseconds < 0 ? [seconds - 1, nanoseconds + 1e9] : [seconds, nanoseconds];
};
hrtime.bigint = () => BigInt(Date.now() - started) * 1000000n;

const process = {
  title: "node",
  version: `v${version}`,
  versions: { node: version },
  platform: "linux",
  arch: "x64",
  argv: [],
  execArgv: [],
  env: {},
  hrtime,
  cwd: () => "/",
  emitWarning: () => undefined,
  nextTick: (callback, ...args) => queueMicrotask(() => callback(...args)),
  uptime: () => (Date.now() - started) / 1000,
};
for (const name of ["on", "once", "off", "addListener", "removeListener"]) process[name] = () => process;

module.exports = process;
