/** The frontend of a client that is the proxy itself: it goes where a branch of a tree leads, and is shown and counted nowhere. */
import type { ClientPort } from "../../../api/client-port.ts";
import type { Frontend } from "../../../api/frontend.ts";
import type { ConnectionKind, Route } from "../../../api/upstream.ts";
import { startState } from "./client-state.ts";
import { ClientLines } from "./local/client-directory.ts";
import { RedisFrontend } from "./redis-frontend.ts";
import type { RedisPool } from "./redis-pool.ts";

/** No client sees it in CLIENT LIST. */
const UNLISTED: RedisPool["directory"] = {
  add() {},
  remove() {},
  list: (_filter, done) => done(new ClientLines("")),
  kill: (_filter, _self, done) => done(0),
  whereBlocked: (_id, done) => done(null),
};

export function createInnerFrontend(
  pool: RedisPool,
  client: ClientPort,
  route: Route,
  kind: ConnectionKind,
): Frontend {
  const { variants } = pool;
  const own: RedisPool = { ...pool, route, directory: UNLISTED, count() {}, add() {} };
  const state = { ...startState(pool.nextClientId(), true), ...variants.variantOf(kind) };
  const frontend = new RedisFrontend(own, client, state);
  // The clients whose requests it sends hold the kind; when they are gone, it is not used.
  variants.release(frontend.variant);
  return frontend;
}
