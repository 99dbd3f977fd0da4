/** `proxy migration`, all of its verbs. */
import type { ControlRequest, ControlResult } from "../../api/control-socket.ts";
import type { VerifyOrder } from "../../api/migration.ts";
import { unknownPool } from "../../config/known-pool.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";

/** Null: it is another request. */
export async function answerMigration(
  target: ChangeTarget,
  request: ControlRequest,
): Promise<ControlResult | null> {
  if (request.verb === "migration") return await steer(target, request);
  if (request.verb === "verify_keys") return await verify(target, request);
  if (request.verb === "forget_host") return await forget(target, request.host);
  return null;
}

type Steering = Extract<ControlRequest, { readonly verb: "migration" }>;

async function steer(
  { migrations, changes, phase, config, log }: ChangeTarget,
  request: Steering,
): Promise<ControlResult> {
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

async function forget(
  { migrations, phase, log }: ChangeTarget,
  host: string,
): Promise<ControlResult> {
  if (phase.refusal !== null) return { ok: false, problems: [phase.refusal] };
  try {
    await migrations.forget(host);
  } catch (error) {
    if (error instanceof StartError) return { ok: false, problems: error.problems };
    throw error;
  }
  log.warn("an operator says that a host is gone", { event: "host_is_gone", host });
  return { ok: true, verb: "forget_host", host };
}

async function verify(
  { migrations, changes, phase, config, log }: ChangeTarget,
  order: VerifyOrder,
): Promise<ControlResult> {
  const { pool } = order;
  const names = config.pools.flatMap(({ name, migrate }) => (migrate === true ? [name] : []));
  const problem = unknownPool(pool, names);
  if (problem !== null) return { ok: false, problems: [problem], isUnknown: true };
  if (phase.refusal !== null) return { ok: false, problems: [phase.refusal] };
  const chosen = names.filter((name) => pool === null || name === pool);
  if (chosen.length === 0) return { ok: false, problems: ["no pool has migrate: true"] };
  return await changes.alone("a look at where keys are", async () => {
    const moving = chosen.find((name) => migrations.isMoving(name));
    if (moving !== undefined) {
      throw new StartError([`pool "${moving}": its keys are moving; wait for the end`]);
    }
    if (order.mend !== null) {
      log.warn("an operator has keys mended that are not where they belong", {
        ...{ event: "strays_are_mended", pools: chosen.join(" "), how: order.mend },
      });
    }
    const pools = await migrations.verification.verify(chosen, order);
    return { ok: true, verb: "verify_keys", pools };
  });
}
