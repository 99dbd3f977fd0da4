/** Whether the servers of a pool want a password of clients that gave none, as far as is known. */
import { anyServer, serversFor } from "../any-server.ts";
import type { RedisFrontend } from "../redis-frontend.ts";

/** So old may knowledge be before somebody new makes the proxy ask again. */
const FRESH_MS = 10_000;
/** The same when the answer was no: somebody is waiting to be let in. */
const FRESH_REFUSAL_MS = 1_000;
/** The pool's own kind of connection: what greets it greets a client without a password. */
const OWN_VARIANT = 0;

export class ServerAccess {
  /** null: not known yet. */
  needsPassword: boolean | null = null;
  /** The last time that a server was asked for a transaction, it opened one. */
  opensTransactions = false;
  private askedMs = Number.NEGATIVE_INFINITY;

  /** To be called whenever a server has greeted a connection that gave no password. */
  learn(needsPassword: boolean): void {
    this.needsPassword = needsPassword;
  }

  /** To be called with what came of MULTI; null: a transaction. */
  learnMulti(fault: string | null): void {
    // Anything else tells nothing of permissions.
    if (fault === null || fault.startsWith("NOPERM")) this.opensTransactions = fault === null;
  }

  /** Asks anew if it is time to. Who is here meanwhile is treated by what was known. */
  refresh(client: RedisFrontend): void {
    const { nowMs } = client.pool.turn;
    const freshMs = this.needsPassword === true ? FRESH_REFUSAL_MS : FRESH_MS;
    if (nowMs - this.askedMs < freshMs) return;
    const isFirst = this.askedMs < 0;
    this.askedMs = nowMs;
    // That was learned just now.
    if (isFirst) return;
    const lease = anyServer(client)?.lease(OWN_VARIANT, client.session.origin) ?? null;
    lease?.whenReady(() => lease.release(false));
  }
}

/**
 * Lets a client in that gave no password, if the servers want none.
 * @returns false: they are being asked; its request is to be tried again when the session is woken
 */
export function isAccessKnown(client: RedisFrontend): boolean {
  const { pool, session } = client;
  const { access } = pool.variants;
  if (pool.password !== null) return true;
  if (access.needsPassword === null) {
    // Whichever answers first: one that hangs keeps no client of the others waiting.
    const connections = serversFor(client)
      .map((upstream) => upstream.connection(session.lane, OWN_VARIANT))
      .filter(({ refusal }) => refusal === null);
    for (const connection of connections) session.waitFor(connection);
    if (connections.length > 0) return false;
    // Nobody can be asked. Whatever the client is going to want of the servers, they will tell it themselves.
  }
  access.refresh(client);
  if (access.needsPassword !== true) client.setAuthenticated(true);
  return true;
}
