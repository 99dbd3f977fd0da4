/** `proxy pause`, `readonly`, `block` and what ends them: requests that are held back or refused for a while. */
import type { ControlResult, LeverOrder } from "../../api/control-socket.ts";
import { LEVER_MS_MAX, PAUSE_MS_MAX } from "../../base/limits.ts";
import { formatDuration } from "../../config/duration.ts";
import { didYouMean } from "../../config/nearest.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import type { HeldLever } from "./steering.ts";

type Order<Verb> = Extract<LeverOrder, { readonly verb: Verb }>;

/** @throws StartError: it holds in no worker */
export async function pullLever(
  { steering, running, log }: ChangeTarget,
  { kind, pool, text, forMs }: Order<"lever">,
  uid: number,
): Promise<ControlResult> {
  const names = running.pools.map(({ name }) => name);
  if (pool !== null && !names.includes(pool)) {
    throw new StartError([`there is no pool "${pool}"${didYouMean(pool, names)}`]);
  }
  const mostMs = kind === "pause" ? PAUSE_MS_MAX : LEVER_MS_MAX;
  if (forMs > mostMs) throw new StartError([`that is too long: at most ${formatDuration(mostMs)}`]);
  const isSame = (other: HeldLever): boolean =>
    other.kind === kind && other.pool === pool && other.text === text;
  const atMs = Date.now();
  const ids = steering.levers.map(({ id }) => id);
  const lever: HeldLever = {
    ...{ id: steering.levers.find(isSame)?.id ?? Math.max(0, ...ids) + 1, kind, pool, text },
    ...{ uid, atMs, untilMs: atMs + forMs },
  };
  await steering.setLevers([...steering.levers.filter((other) => !isSame(other)), lever]);
  log.warn("a lever was pulled", { lever: lever.id, kind, pool, text, for_ms: forMs, uid });
  return { ok: true, verb: "lever", lever };
}

/** @throws StartError: there is none such */
export function releaseLevers(
  { steering, log }: ChangeTarget,
  { id, kind, pool }: Order<"release">,
  uid: number,
): ControlResult {
  const levers = steering.levers.filter(
    (lever) =>
      (id === null || lever.id === id) &&
      (kind === null || lever.kind === kind) &&
      (pool === null || lever.pool === pool),
  );
  if (levers.length === 0) throw new StartError(["nothing such is held back"]);
  const isDone = steering.release(new Set(levers.map((lever) => lever.id)));
  if (!isDone) throw new StartError(["a change is just under way; try again in a moment"]);
  for (const lever of levers) {
    log.warn("a lever was released", { lever: lever.id, kind: lever.kind, pool: lever.pool, uid });
  }
  return { ok: true, verb: "release", levers };
}
