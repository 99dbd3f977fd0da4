/** Which servers operators have drained, over all pools of one worker. */
import type { Lever } from "../api/steering.ts";
import type { Logger } from "../base/log.ts";
import type { DrainableTopology } from "../topology/drainable.ts";
import type { LeverProblem } from "./worker.ts";

/** By name. */
type Pools = ReadonlyMap<string, { readonly topology: DrainableTopology }>;

export class Drains {
  private readonly log: Logger;
  private readonly pools: Pools;
  /** Those that hold. */
  private held: readonly Lever[] = [];

  constructor(log: Logger, pools: Pools) {
    this.log = log;
    this.pools = pools;
  }

  /** Why one of `levers` that does not hold yet cannot be followed; null: all can. Of the others the servers may have left since. */
  problemOf(levers: readonly Lever[]): LeverProblem | null {
    const isHeld = ({ pool, text }: Lever): boolean =>
      this.held.some((lever) => lever.pool === pool && lever.text === text);
    const drains = levers.filter(({ kind }) => kind === "drain");
    for (const drain of drains) {
      const problem = isHeld(drain) ? null : this.problemOfNew(drain, drains);
      if (problem !== null) return problem;
    }
    return null;
  }

  /** @param levers of all kinds: they replace those before */
  follow(levers: readonly Lever[]): void {
    this.held = levers.filter(({ kind }) => kind === "drain");
    for (const [pool, { topology }] of this.pools) {
      if (topology.drain(drainedIn(pool, this.held))) continue;
      this.log.warn("all servers of a pool are drained, so none is: it would have no server", {
        ...{ event: "drain_is_passed_over", pool },
      });
    }
  }

  private problemOfNew(drain: Lever, drains: readonly Lever[]): LeverProblem | null {
    const { pool: only, text } = drain;
    const meant = [...this.pools].filter(([pool]) => only === null || pool === only);
    const having = meant.flatMap(([pool, { topology }]) => {
      const address = topology.addressOf(text);
      return address === null ? [] : [{ pool, topology, address }];
    });
    if (having.length === 0) return { text: absent(drain, meant), isElsewhere: true };
    if (new Set(having.map(({ address }) => address)).size > 1) {
      const places = having.map(({ pool, address }) => `${address} in pool "${pool}"`).join(", ");
      const several = `"${text}" is several servers: ${places}; name the pool with --pool, or the address`;
      return { text: several, isElsewhere: false };
    }
    for (const { pool, topology } of having) {
      const problem = topology.problemOf(text, drainedIn(pool, drains));
      if (problem !== null) {
        return { text: `pool "${pool}": ${text}: ${problem}`, isElsewhere: false };
      }
    }
    return null;
  }
}

function absent(
  { pool, text }: Lever,
  meant: readonly [string, { readonly topology: DrainableTopology }][],
): string {
  const hint =
    meant.map(([, { topology }]) => topology.hintFor(text)).find((one) => one !== "") ?? "";
  const where = pool === null ? "no pool has" : `pool "${pool}" has no`;
  return pool === null ? `${where} a server "${text}"${hint}` : `${where} server "${text}"${hint}`;
}

/** Names and addresses of the servers that are drained in the pool. */
function drainedIn(pool: string, drains: readonly Lever[]): ReadonlySet<string> {
  const own = drains.filter((drain) => drain.pool === null || drain.pool === pool);
  return new Set(own.map(({ text }) => text));
}
