/** What the Memcached sessions of one pool share, and the kinds of connection that they use. */
import type { PoolCounter } from "../../../api/stats.ts";
import { type ConnectionKind, connectionKind, type Route } from "../../../api/upstream.ts";
import type { Foreign } from "../../foreign.ts";
import type { Operators } from "../../operators.ts";
import type { DeadServer } from "../options.ts";

/** Connections that speak text; meta commands are mixed on them with the classic ones. */
export const VARIANT_TEXT: ConnectionKind = connectionKind(0);
/** Connections that speak binary. */
export const VARIANT_BINARY: ConnectionKind = connectionKind(1);

export interface MemcachePool {
  readonly route: Route;
  /** "miss": a request that only reads finds nothing on a server that is not available; "error": it fails. */
  readonly deadServer: DeadServer;
  readonly operators: Operators;
  /** Counts requests, and among them those that no server saw, into the pool's statistics. */
  count(requests: number, local: number, protocolErrors: number): void;
  /** Adds to one of the pool's counters. */
  add(counter: PoolCounter, by: number): void;
  /** Hears of a client that has come to the wrong port, and is sent away. */
  onForeign(foreign: Foreign, peer: string): void;
}
