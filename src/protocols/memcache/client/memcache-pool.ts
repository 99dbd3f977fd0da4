/** What the Memcached sessions of one pool share. */
import type { PoolCounter } from "../../../api/stats.ts";
import type { Route } from "../../../api/upstream.ts";
import type { Foreign } from "../../foreign.ts";
import type { Operators } from "../../operators.ts";
import type { ItemGate } from "../migrate/item-gate.ts";
import type { DeadServer } from "../options.ts";

export interface MemcachePool {
  readonly route: Route;
  /** "miss": a request that only reads finds nothing on a server that is not available; "error": it fails. */
  readonly deadServer: DeadServer;
  readonly operators: Operators;
  /** Null: keys stay where they are. */
  readonly gate: ItemGate | null;
  /** Counts requests, and among them those that no server saw, into the pool's statistics. */
  count(requests: number, local: number, protocolErrors: number): void;
  /** Adds to one of the pool's counters. */
  add(counter: PoolCounter, by: number): void;
  /** Hears of a client that has come to the wrong port, and is sent away. */
  onForeign(foreign: Foreign, peer: string): void;
}
