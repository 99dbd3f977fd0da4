/** Ends clients that speak another protocol, or none. */

import { encodeError } from "../codec/encode.ts";
import type { RequestScanner } from "../codec/request-scanner.ts";
import type { RequestView } from "../codec/request-view.ts";
import type { RedisClient } from "./redis-client.ts";

/** Ends a client that has sent what is no request. */
export function endMalformed(client: RedisClient, { fault, foreign }: RequestScanner): void {
  if (foreign === "http") {
    endHttp(client);
    return;
  }
  if (foreign !== null) client.pool.onForeign(foreign, client.session.peer);
  client.refuse(encodeError(`ERR Protocol error: ${fault}`));
  client.flushRun();
  client.session.finish();
}

/** Like Redis, without a word. */
export function endHttp({ pool, session }: RedisClient): void {
  pool.onForeign("http", session.peer);
  session.close();
}

/**
 * A browser that was tricked into talking to the proxy: like Redis, hang up at these, before a line of the body that
 * follows runs as an inline command.
 */
export function isHttp(view: RequestView): boolean {
  if (view.to(0) - view.from(0) > 5) return false;
  const name = view.text(0).toLowerCase();
  return name === "post" || name === "host:";
}
