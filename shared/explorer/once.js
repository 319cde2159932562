// Writes that may be sent again: each has a key, by which the service knows it, until it is answered.

import { call } from "./api.js";

const WITHOUT_TRANSACTIONS = /^this call needs transactions|^\(OperationNotSupportedInTransaction\)/;

/**
 * Return what calls an action as `call` does, but so that a write happens once, however often it is sent as it was.
 * A Failure of it has `isOnce` where that holds: it does not where there are no transactions, such as in a time series.
 */
export function writer() {
  const keys = new Map(); // by what was sent, of what has no good answer yet: an error leaves nothing behind a key
  return async (action, body, { headers = {} } = {}) => {
    const write = JSON.stringify([action, body, headers]);
    if (!keys.has(write)) keys.set(write, newKey());
    try {
      const reply = await call(action, body, { headers: { ...headers, "Idempotency-Key": keys.get(write) } });
      keys.delete(write);
      return reply;
    } catch (error) {
      if (WITHOUT_TRANSACTIONS.test(error.message)) return call(action, body, { headers });
      error.isOnce = true;
      throw error;
    }
  };
}

/** Return a key that nobody else has; crypto.randomUUID is not there without HTTPS. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
