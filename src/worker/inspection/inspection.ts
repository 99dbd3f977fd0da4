/** What this worker answers when operators look at the proxy: see api/inspection.ts. */
import {
  type ClientQuery,
  INSPECT_CLIENTS,
  KICK_CLIENTS,
  type KickTarget,
} from "../../api/inspection.ts";
import type { WorkerBus } from "../../api/worker-bus.ts";
import type { SliceLoop } from "../../base/slices.ts";
import { type InspectedPool, kickClients, listClients } from "./client-list.ts";

export interface InspectedWorker {
  readonly slot: number;
  /** Its event loop. */
  readonly loop: SliceLoop;
  readonly pools: readonly InspectedPool[];
}

/** Has `worker` answer on the bus. */
export function answerInspections(bus: WorkerBus, worker: InspectedWorker): void {
  const { slot, loop, pools } = worker;
  bus.answerLater(INSPECT_CLIENTS, (query, answer) =>
    listClients(loop, pools, slot, query as ClientQuery, answer),
  );
  bus.answerLater(KICK_CLIENTS, (target, answer) =>
    kickClients(loop, pools, target as KickTarget, answer),
  );
}
