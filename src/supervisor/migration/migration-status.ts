/** What a pool's record means to operators, and to a configuration that is about to hold. */
import type { PoolConfig } from "../../api/config.ts";
import type { MigrationStatus } from "../../api/control-socket.ts";
import type { RingPlan, ServerSweep } from "../../api/migration.ts";
import type { CourseRecord } from "../../migration/course-record.ts";
import { isSamePlan, planOf } from "../../migration/key-places.ts";

/** What is known besides. */
interface Known {
  readonly problem: string | null;
  readonly sweeps: readonly ServerSweep[];
}

/** Null: its keys are where the configuration says. */
export function statusOf(
  pool: string,
  { placement, epoch, current, declined }: CourseRecord,
  { problem, sweeps }: Known,
): MigrationStatus | null {
  if (current === null) {
    if (declined === undefined) return null;
    return {
      ...{ pool, epoch, phase: "declined", isPaused: false, isReverse: false, sinceMs: 0 },
      ...{ from: namesOf(placement), to: namesOf(declined), problem: null },
      ...{ servers: [], swept: [], sources: 0 },
    };
  }
  const { phase, from, to, sinceMs, isPaused, isReverse, swept } = current;
  const failing = sweeps.find(({ failed }) => failed > 0);
  const why = failing === undefined ? null : `server ${failing.address}: ${failing.why}`;
  return {
    ...{ pool, epoch, phase, isPaused, isReverse, sinceMs, swept, servers: sweeps },
    ...{ from: namesOf(from), to: namesOf(to), problem: problem ?? why },
    sources: (phase === "before" ? to : from).servers.length,
  };
}

function namesOf({ servers }: RingPlan): readonly string[] {
  return servers.map(({ name }) => name);
}

/** Why a pool cannot become `pool` now. @param pool undefined: it goes */
export function problemOf(
  name: string,
  { current }: CourseRecord,
  pool: PoolConfig | undefined,
): readonly string[] {
  if (current === null) return [];
  const advice = `see "proxy migration status ${name}"; "proxy migration cancel ${name}" takes it back`;
  if (pool?.migrate !== true) {
    return [
      `pool "${name}": its keys are moving to other servers, so it must stay, with migrate: true; ${advice}`,
    ];
  }
  const plan = planOf(pool);
  if (isSamePlan(plan, current.to) || isSamePlan(plan, current.from)) return [];
  return [
    `pool "${name}": its keys are still moving because of an earlier change of its servers; ${advice}`,
  ];
}
