/** A worker begins to serve when it knows who the servers are, as far as that can be waited for. */
import { DISCOVERY_START_MS } from "../base/discovery-limits.ts";
import type { Schedule } from "../base/schedule.ts";
import type { PoolPlane } from "./pool-plane.ts";

/** Resolves when the servers of all `pools` are known, or a while later. */
export async function serversKnown(pools: Iterable<PoolPlane>, schedule: Schedule): Promise<void> {
  const known = [...pools].map(
    (pool) => new Promise<void>((resolve) => pool.whenServersKnown(resolve)),
  );
  const late = new Promise<void>((resolve) => schedule(DISCOVERY_START_MS, resolve));
  await Promise.race([Promise.all(known), late]);
}
