/** What `proxy status` shows of other hosts. */
import type { HostsStatus } from "../../api/hosts.ts";
import type { HostAgreement } from "../../migration/host-agreement.ts";

/** @param problem why etcd does not answer; null: it does @param heardAgoMs null: it has not answered so far */
export function hostsStatusOf(
  agreement: HostAgreement,
  problem: string | null,
  heardAgoMs: number | null,
): HostsStatus {
  const { state, live, name } = agreement;
  const pools = Object.entries(state?.pools ?? {});
  const waits = pools.flatMap(([pool]) => {
    const why = agreement.problemOf(pool);
    return why === null ? [] : [`pool ${pool}: ${why}`];
  });
  const lost = agreement.isTaken ? "another proxy has the name of this host" : null;
  const old = agreement.isOutdated
    ? "etcd has an older state than this host has seen: was it made anew from a copy?"
    : null;
  return {
    id: name.id,
    problem: lost ?? problem ?? old ?? (waits.length === 0 ? null : waits.join("; ")),
    heardAgoMs: heardAgoMs === null ? null : Math.round(heardAgoMs),
    hosts: Object.entries(state?.hosts ?? {}).map(([id, { isReady }]) => ({
      ...{ id, isHeard: live.has(id), isReady },
      holds: pools.flatMap(([pool, { hold }]) => (hold?.quiet.includes(id) ? [pool] : [])),
    })),
  };
}
