/** Which pools `readonly` and `block` reach, and whether what is blocked is a command at all. */
import type { PoolConfig } from "../../api/config.ts";
import type { Lever } from "../../api/steering.ts";
import { didYouMean } from "../../config/nearest.ts";
import { PROTOCOLS } from "../../protocols/registry.ts";

type Pools = readonly Pick<PoolConfig, "name" | "protocol">[];

const ANY = "*";

/** Why a lever cannot hold in the pool that it names, in one line; null: it can. */
export function leverFault(pools: Pools, { kind, pool: name }: Lever): string | null {
  const pool = pools.find((one) => one.name === name);
  const isJudging = kind === "readonly" || kind === "block";
  if (!isJudging || pool === undefined || isCovered(pool)) return null;
  const able = PROTOCOLS.flatMap(({ name, isFilterable }) => (isFilterable === true ? [name] : []));
  return `pool "${pool.name}": "${kind}" needs requests that can be told apart; those of protocol ${pool.protocol} cannot, those of ${able.join(" and ")} can`;
}

/** What its user may not expect, one line each. */
export function leverWarnings(pools: Pools, { kind, pool: name, text }: Lever): string[] {
  if (kind !== "block") return [];
  const meant = pools.filter((pool) => name === null || pool.name === name);
  const passed = meant.filter((pool) => !isCovered(pool));
  const warnings: string[] = [];
  if (passed.length > 0) {
    const list = passed.map(({ name, protocol }) => `${name} (${protocol})`).join(", ");
    warnings.push(`not in pools whose requests cannot be told apart: ${list}`);
  }
  const names = new Set(meant.flatMap(({ protocol }) => moduleOf(protocol)?.commandNames ?? []));
  const [word = ""] = text.trim().split(" ");
  const command = word.toUpperCase();
  if (command !== ANY && names.size > 0 && !names.has(command)) {
    const hint = didYouMean(command, [...names]);
    warnings.push(
      `the proxy knows no command ${JSON.stringify(command)}${hint || "; servers may know it: modules' commands, and newer ones"}`,
    );
  }
  return warnings;
}

function isCovered({ protocol }: Pools[number]): boolean {
  return moduleOf(protocol)?.isFilterable === true;
}

/** Undefined: it is a module of the configuration. */
function moduleOf(protocol: string) {
  return PROTOCOLS.find(({ name }) => name === protocol);
}
