/** The frontend of a client that is the proxy itself: it goes where a branch of a tree leads, and is counted nowhere. */
import type { ClientPort } from "../../../api/client-port.ts";
import type { Frontend } from "../../../api/frontend.ts";
import type { ConnectionKind, Route } from "../../../api/upstream.ts";
import { BinaryFrontend } from "./binary/binary-frontend.ts";
import { VARIANT_BINARY } from "./connection-kinds.ts";
import type { MemcachePool } from "./memcache-pool.ts";
import { TextFrontend } from "./text/text-frontend.ts";

export function createInnerFrontend(
  { operators }: MemcachePool,
  client: ClientPort,
  route: Route,
  kind: ConnectionKind,
): Frontend {
  // What is to become of a server's failure, the link decides that sends requests here.
  const own: MemcachePool = {
    route,
    operators,
    gate: null,
    deadServer: "error",
    count() {},
    add() {},
    onForeign() {},
  };
  const taker =
    kind === VARIANT_BINARY ? new BinaryFrontend(own, client) : new TextFrontend(own, client);
  return Object.assign(taker, NEVER_MOVES);
}

const NEVER_MOVES = {
  descriptors: [],
  isReadyToMove: false,
  needsFormat: 0,
  prefersToStay: true,
  onRouteChange() {},
  leave() {},
  close() {},
} as const;
