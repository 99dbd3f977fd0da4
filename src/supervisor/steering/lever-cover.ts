/** Which pools levers reach, and whether what they are about makes sense. */
import type { PoolConfig } from "../../api/config.ts";
import type { Lever } from "../../api/steering.ts";
import { formatAddress } from "../../config/address.ts";
import { parseClientTarget } from "../../config/client-target.ts";
import { didYouMean } from "../../config/nearest.ts";
import { PROTOCOLS } from "../../protocols/registry.ts";

type Pools = readonly Pick<PoolConfig, "name" | "protocol" | "listen">[];

const ANY = "*";

/** Why a lever cannot hold in the pool that it names, in one line; null: it can. */
export function leverFault(pools: Pools, lever: Lever): string | null {
  const { kind, pool: name } = lever;
  if (kind === "drain_to") return targetFault(pools, lever);
  const pool = pools.find((one) => one.name === name);
  const isJudging = kind === "readonly" || kind === "block";
  if (!isJudging || pool === undefined || isCovered(pool)) return null;
  const able = PROTOCOLS.flatMap(({ name, isFilterable }) => (isFilterable === true ? [name] : []));
  return `pool "${pool.name}": "${kind}" needs requests that can be told apart; those of protocol ${pool.protocol} cannot, those of ${able.join(" and ")} can`;
}

/** Where clients shall go must be one place for each pool, and not the one where they are. */
function targetFault(pools: Pools, { pool: name, text }: Lever): string | null {
  const target = parseClientTarget(text);
  if (target === null) return `--to: expected host or host:port, found ${JSON.stringify(text)}`;
  const named = pools.filter((pool) => name === null || pool.name === name);
  const meant = named.filter(({ protocol }) => moduleOf(protocol)?.movesClients === true);
  if (meant.length === 0) {
    const where = name === null ? "no pool has" : `pool "${name}" has no`;
    const able = PROTOCOLS.flatMap(({ name, movesClients }) => (movesClients ? [name] : []));
    return `${where} clients that can be told to go elsewhere: those of protocol ${able.join()} can`;
  }
  if (target.port === null) {
    const hasPort = meant.some(({ listen }) => listen.kind === "tcp");
    return hasPort ? null : `pool "${meant[0]!.name}" listens on no port: say host:port`;
  }
  if (meant.length > 1) return "several pools cannot go to one port: say --pool, or only the host";
  const [{ name: only, listen }] = meant as [Pools[number]];
  const isSelf = listen.kind === "tcp" && formatAddress(listen) === text;
  return isSelf ? `pool "${only}" listens on ${text} itself` : null;
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
