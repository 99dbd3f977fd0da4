/**
 * What a program before the directory does with a layout that it inherits: it gives out values behind all bases of pools and
 * servers that it knows, and keeps entries with fields that it does not know, but no other fields of the layout.
 */
import { BLOCK_VALUES, type StatsLayout } from "../../../src/api/stats.ts";
import type { PoolNames } from "./stats-config.ts";

const RESERVED_VALUES = 16_384;
const STEP_VALUES = 512;

export function earlierLayout(names: PoolNames, previous: StatsLayout): StatsLayout {
  let used = 0;
  for (const { base, servers } of previous.pools) {
    for (const at of [base, ...servers.map((server) => server.base)]) {
      used = Math.max(used, at + BLOCK_VALUES);
    }
  }
  const take = (): number => {
    used += BLOCK_VALUES;
    return used - BLOCK_VALUES;
  };
  const extend = (
    known: StatsLayout["pools"][number]["servers"],
    servers: readonly string[],
  ): StatsLayout["pools"][number]["servers"] => {
    const added = servers.filter((name) => !known.some((server) => server.name === name));
    return [...known, ...added.map((name) => ({ name, base: take() }))];
  };
  const pools = previous.pools.map((pool) => ({
    ...pool,
    servers: extend(pool.servers, names[pool.name] ?? []),
  }));
  for (const [name, servers] of Object.entries(names)) {
    if (pools.some((pool) => pool.name === name)) continue;
    const base = take();
    pools.push({ name, base, servers: extend([], servers) });
  }
  const stride =
    used <= previous.stride
      ? previous.stride
      : Math.ceil((used + RESERVED_VALUES) / STEP_VALUES) * STEP_VALUES;
  return JSON.parse(JSON.stringify({ stride, slots: previous.slots, pools })) as StatsLayout;
}
