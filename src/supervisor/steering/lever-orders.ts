/** `proxy pause`, `readonly`, `block`, `drain` and what ends them: what operators hold back for a while. */
import type { Config } from "../../api/config.ts";
import type { ControlResult, LeverOrder } from "../../api/control-socket.ts";
import { LEVER_MS_MAX, PAUSE_MS_MAX } from "../../base/limits.ts";
import { formatDuration } from "../../config/duration.ts";
import { unknownPool } from "../../config/known-pool.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import { leverFault, leverWarnings } from "./lever-cover.ts";
import { fieldsOf, kept, type Operator } from "./operator.ts";
import type { HeldLever } from "./steering.ts";

type Order<Verb> = Extract<LeverOrder, { readonly verb: Verb }>;

/** @throws StartError: it holds in no worker */
export async function pullLever(
  { steering, running, log }: ChangeTarget,
  { kind, pool, text, forMs }: Order<"lever">,
  operator: Operator,
): Promise<ControlResult> {
  checkPool(running, pool);
  const fault = leverFault(running.pools, { kind, pool, text });
  if (fault !== null) throw new StartError([fault]);
  const mostMs = kind === "pause" ? PAUSE_MS_MAX : LEVER_MS_MAX;
  if (forMs > mostMs) throw new StartError([`that is too long: at most ${formatDuration(mostMs)}`]);
  const isSame = (other: HeldLever): boolean =>
    other.kind === kind && other.pool === pool && other.text === text;
  const atMs = Date.now();
  const lever: HeldLever = {
    ...{ id: steering.levers.find(isSame)?.id ?? steering.nextLeverId(), kind, pool, text },
    ...{ ...kept(operator), atMs, untilMs: atMs + forMs },
  };
  await steering.setLevers([...steering.levers.filter((other) => !isSame(other)), lever]);
  log.warn("a lever was pulled", {
    ...{ lever: lever.id, kind, pool, text, for_ms: forMs },
    ...fieldsOf(operator),
  });
  const warnings = leverWarnings(running.pools, lever);
  return { ok: true, verb: "lever", lever, ...(warnings.length === 0 ? {} : { warnings }) };
}

/** @throws StartError: there is none such */
export function releaseLevers(
  { steering, running, log }: ChangeTarget,
  { id, kind, pool, text = null }: Order<"release">,
  operator: Operator,
): ControlResult {
  const levers = steering.levers.filter(
    (lever) =>
      (id === null || lever.id === id) &&
      (kind === null || lever.kind === kind) &&
      (pool === null || lever.pool === pool) &&
      (text === null || lever.text === text),
  );
  // A reload may have removed the pool since, and its levers are there until they are released.
  if (levers.length === 0) checkPool(running, pool);
  if (levers.length === 0) throw new StartError(["nothing such is held back"]);
  const isDone = steering.release(new Set(levers.map((lever) => lever.id)));
  if (!isDone) throw new StartError(["a change is just under way; try again in a moment"]);
  for (const { id: lever, kind: of, pool: where, text: about } of levers) {
    const what = { lever, kind: of, pool: where, text: about };
    log.warn("a lever was released", { ...what, ...fieldsOf(operator) });
  }
  return { ok: true, verb: "release", levers };
}

/** @throws StartError: there is no such pool */
function checkPool({ pools }: Config, pool: string | null): void {
  const problem = unknownPool(
    pool,
    pools.map(({ name }) => name),
  );
  if (problem !== null) throw new StartError([problem]);
}
