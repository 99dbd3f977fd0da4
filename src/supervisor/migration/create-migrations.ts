import type { RunAs } from "../../api/control.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import { Migrations } from "./migrations.ts";
import { SweeperProcess } from "./sweeper-process.ts";

/** An orphan has ended so long after its drain time-out. */
const ORPHAN_GRACE_MS = 2_000;

/**
 * The migrations of a supervisor.
 * @param revision see Migrations @param onChildGone told when the sweeper's process is gone
 */
export function createMigrations(
  target: ChangeTarget,
  revision: number | null,
  runAs: () => RunAs | null,
  onChildGone: () => void,
): Migrations {
  const { log, config } = target;
  return new Migrations(
    {
      log,
      workers: () => target.generations.living,
      isAlone: () => target.generations.isAlone && target.phase.name === "serving",
      async alone(act) {
        let isDone = false;
        await target.changes.alone("a change of the servers that keys are on", async () => {
          await act();
          isDone = true;
          return { ok: true, verb: "stop" };
        });
        return isDone;
      },
      sweeper: (events, order) =>
        new SweeperProcess(
          log,
          () => {
            const { serving } = target.generations;
            if (serving === null) return null;
            return {
              ...{ config: target.running, program: target.program, runAs: runAs() },
              ...{ memory: target.resources.stats.snapshot(), generation: serving.plan.number },
              isSilent: target.options.isDaemon,
            };
          },
          order,
          events,
          onChildGone,
        ),
      orphanMs: () => config.drainTimeoutMs + ORPHAN_GRACE_MS,
    },
    config,
    revision,
  );
}
