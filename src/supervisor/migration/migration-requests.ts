/** `proxy migration status`, `pause`, `resume` and `cancel`. */
import type { ControlRequest, ControlResult } from "../../api/control-socket.ts";
import { unknownPool } from "../../config/known-pool.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";

/** Null: it is another request. */
export async function answerMigration(
  { migrations, changes, phase, config, log }: ChangeTarget,
  request: ControlRequest,
): Promise<ControlResult | null> {
  if (request.verb !== "migration") return null;
  const { order, pool } = request;
  const names = config.pools.map(({ name }) => name);
  const problem = unknownPool(pool, names);
  if (problem !== null) return { ok: false, problems: [problem], isUnknown: true };
  const resultOf = (pools: readonly string[]): ControlResult => {
    const all = migrations.statuses();
    const shown = all.filter((status) => pool === null || status.pool === pool);
    return { ok: true, verb: "migration", order, pools, migrations: shown };
  };
  if (order === "status") return resultOf([]);
  if (phase.refusal !== null) return { ok: false, problems: [phase.refusal] };
  const act = async (): Promise<ControlResult> => {
    const pools =
      order === "cancel"
        ? await migrations.cancel(pool)
        : await migrations.pause(pool, order === "pause");
    log.warn("an operator has steered a migration", {
      ...{ event: "migration_is_steered", order, pools: pools.join(" ") },
    });
    return resultOf(pools);
  };
  try {
    // A pause changes no ring, and must be possible whatever goes on.
    return order === "cancel" ? await changes.alone("a migration's end", act) : await act();
  } catch (error) {
    if (error instanceof StartError) return { ok: false, problems: error.problems };
    throw error;
  }
}
