/** What nodes that act need of the pool whose tree they are in. */
import type { KeyCut } from "../../api/key-cut.ts";
import type { ReplyScanner } from "../../api/protocol.ts";
import type { RequestReader } from "../../api/request-reader.ts";
import type { TtlCap } from "../../api/ttl-cap.ts";
import type { ConnectionKind, Route } from "../../api/upstream.ts";
import type { Deadlines } from "../../base/deadlines.ts";
import type { Turn } from "../../base/turn.ts";
import type { InnerClient } from "../link/inner-client.ts";

export type RouteCounter =
  | "failovers"
  | "failover_over_budget"
  | "written_to_all"
  | "written_to_all_failed"
  | "hedged"
  | "hedge_won"
  | "hedge_over_budget"
  | "mirrored"
  | "mirror_dropped"
  | "mirror_same"
  | "mirror_different";

export interface LinkTools {
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  /** A client of what `route` leads to, like clients of kind `kind`. */
  createInner(route: Route, lane: number, kind: ConnectionKind): InnerClient;
  /** Of replies over connections of kind `kind`. */
  createScanner(kind: ConnectionKind): ReplyScanner;
  /** Of requests that are sent over connections of kind `kind`. */
  createReader(kind: ConnectionKind): RequestReader;
  createKeyCut(prefix: Buffer): KeyCut;
  createTtlCap(kind: ConnectionKind, seconds: number): TtlCap;
  add(counter: RouteCounter, by: number): void;
}
