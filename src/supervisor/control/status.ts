/** What `proxy status` shows. */
import type { AdminStatus, FromAdmin, ToAdmin } from "../../api/control.ts";
import { type ProcessStatus, processLabel, type Status } from "../../api/control-socket.ts";
import { EVENTS_SHOWN_MAX } from "../../base/page-limits.ts";
import { COMMIT, VERSION } from "../../base/version.ts";
import { directoryOf } from "../../metrics/directory.ts";
import { answerLook } from "../inspection/inspection-requests.ts";
import type { AdminAnswers } from "../process/admin-slot.ts";
import { answerAdminOrder } from "../steering/admin-orders.ts";
import { settingStatuses } from "../steering/config-orders.ts";
import type { SteeredProxy } from "../steering/steering-requests.ts";
import type { ChangeTarget } from "../supervisor-options.ts";

/** "worker/0 (pid 12, 5 clients), admin (pid 14)", for a user who waits for their end. */
export function waitedFor(processes: readonly ProcessStatus[]): string {
  return processes
    .map((child) => {
      const { pid, clients } = child;
      const count = clients === 0 ? "" : `, ${clients} ${clients === 1 ? "client" : "clients"}`;
      return `${processLabel(child)} (pid ${pid ?? "none yet"}${count})`;
    })
    .join(", ");
}

export function createStatus(supervisor: ChangeTarget): Status {
  const { config, resources } = supervisor;
  return {
    ...createAdminStatus(supervisor),
    pools: resources.stats.figures(config),
    metrics: resources.stats.sets(),
  };
}

/** What the admin process is answered. */
export function answersTo(supervisor: SteeredProxy): AdminAnswers {
  return {
    status: (question) => answerAdmin(supervisor, question),
    look: (look) => answerLook(supervisor, look),
    order: (order, by) => answerAdminOrder(supervisor, order, by),
  };
}

/** The admin process reads what was counted itself. */
function answerAdmin(
  supervisor: ChangeTarget,
  { id, blocks, after }: Extract<FromAdmin, { readonly type: "ask" }>,
): Extract<ToAdmin, { readonly type: "status" }> {
  const { layout } = supervisor.resources.stats.snapshot();
  const isKnown = directoryOf(layout).blocks.length === blocks;
  const status = createAdminStatus(supervisor);
  const events =
    after === undefined ? [] : supervisor.resources.events.since(after, EVENTS_SHOWN_MAX);
  return {
    ...{ type: "status", id, status },
    ...(isKnown ? {} : { stats: layout }),
    ...(events.length === 0 ? {} : { events }),
  };
}

/** All that there are, but the supervisor. */
export function processesOf({
  generations,
  admin,
  migrations,
}: Pick<ChangeTarget, "generations" | "admin" | "migrations">): ProcessStatus[] {
  return [...generations.statuses, ...admin.statuses, ...migrations.processes];
}

function createAdminStatus(supervisor: ChangeTarget): AdminStatus {
  const { resources, changes, config, generations, phase, startedAtMs } = supervisor;
  const generation = generations.serving;
  const processes = processesOf(supervisor);
  return {
    pid: process.pid,
    version: VERSION,
    commit: COMMIT,
    configFile: config.file,
    startedAtMs,
    uptimeMs: Date.now() - startedAtMs,
    phase: phase.name,
    phaseSinceMs: phase.sinceMs,
    crew: generation?.plan.number ?? 0,
    generation: generation?.plan.number ?? 0,
    activity: changes.activity,
    listen: generation === null ? [] : resources.listeners.addresses(generation.listenerPlan),
    clients: processes.reduce((sum, { clients }) => sum + clients, 0),
    lastChange: changes.last,
    processes,
    settings: settingStatuses(supervisor),
    levers: supervisor.steering.levers,
    migrations: supervisor.migrations.statuses(),
    hosts: supervisor.migrations.hosts,
  };
}
