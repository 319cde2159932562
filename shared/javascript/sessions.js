// Sessions of MongoDB and their transactions.

/** What sessions are, by the objects that functions have of them. */
const sessions = new TheWeakMap();

const MOST_ATTEMPTS = 20;
const PAUSE = 5; // milliseconds, longer with each attempt

const paused = (wait) =>
  new ThePromise((resolve) => {
    waiting[send("timer", 0, `${wait}`)] = { __proto__: null, resolve };
  });

const sessionFor = (frame, service) => {
  const state = { __proto__: null, id: 0, isOpen: false };
  const refuseOpen = () => {
    if (state.isOpen) throw new TheError("a transaction is open already");
  };
  /** Begin one. Where that fails it is open until its end: what is asked with the session is refused, not done outside. */
  const begin = async () => {
    refuseOpen();
    state.isOpen = true;
    state.id = sent + 1;
    await asked("begin", frame, `{"session":${state.id},"service":${quoted(service)}}`);
  };
  const end = async (word) => {
    if (!state.isOpen) return undefined;
    state.isOpen = false;
    return await asked(word, frame, `{"session":${state.id}}`);
  };
  const attempted = async (work) => {
    refuseOpen();
    try {
      await begin();
      const result = await work(session);
      await end("commit");
      return result;
    } catch (error) {
      await end("abort");
      throw error;
    }
  };
  const session = {
    startTransaction: () => void then(begin(), undefined, () => undefined),
    commitTransaction: () => end("commit"),
    abortTransaction: () => end("abort"),
    endSession: () => end("abort"),
    async withTransaction(work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await attempted(work);
        } catch (error) {
          if (attempt === MOST_ATTEMPTS || !isObject(error) || error.isTransient !== true) throw error;
        }
        await paused(PAUSE * attempt);
      }
    },
  };
  keep(sessions, session, state);
  return session;
};

const stateOf = (session) => kept(sessions, session);

return { sessionFor, stateOf };
