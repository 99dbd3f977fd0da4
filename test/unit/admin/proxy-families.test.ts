/** Metrics of the proxy as a whole that are made of what the supervisor says. */
import { expect, test } from "bun:test";
import { proxyFamilies } from "../../../src/admin/proxy-families.ts";
import type { Config } from "../../../src/api/config.ts";
import type { AdminStatus } from "../../../src/api/control.ts";
import type { MigrationStatus } from "../../../src/api/control-socket.ts";

const config = {
  pools: [
    { name: "fixed", servers: [] },
    { name: "rests", migrate: true, servers: [] },
    { name: "moves", migrate: true, servers: [] },
  ],
} as unknown as Config;

const sweep = { seen: 50, found: 10, failed: 2, why: "OOM" };
const moving: MigrationStatus = {
  ...{ pool: "moves", epoch: 3, phase: "moving", isPaused: false, isReverse: false, sinceMs: 0 },
  ...{ from: ["a", "b"], to: ["a", "b", "c"], problem: "server h:2: OOM", sources: 2 },
  servers: [
    { address: "h:1", keys: 100, ...sweep },
    { address: "h:2", keys: 200, ...sweep },
  ],
  swept: ["h:1"],
};

function valuesOf(
  migrations: readonly MigrationStatus[],
): Record<string, Record<string, number | null>> {
  const status = { processes: [], phase: "serving", migrations } as unknown as AdminStatus;
  const families = proxyFamilies({ version: "1", startedAtMs: 0, config }, status);
  const own = families.filter(({ name }) => name.startsWith("proxy_migration_"));
  return Object.fromEntries(
    own.map(({ name, samples }) => [
      name.substring("proxy_migration_".length),
      Object.fromEntries(
        samples.map((sample) => [sample.labels["pool"], "value" in sample ? sample.value : null]),
      ),
    ]),
  );
}

test("how far the keys are that move, of pools whose keys may", () => {
  expect(valuesOf([moving])).toEqual({
    active: { rests: 0, moves: 1 },
    servers_left: { rests: 0, moves: 1 },
    keys: { rests: 0, moves: 300 },
    keys_seen: { rests: 0, moves: 100 },
    keys_swept: { rests: 0, moves: 20 },
    keys_failed: { rests: 0, moves: 4 },
    blocked: { rests: 0, moves: 1 },
  });
  const declined = { ...moving, phase: "declined", problem: null } as const;
  expect(valuesOf([declined])).toMatchObject({
    active: { rests: 0, moves: 0 },
    servers_left: { rests: 0, moves: 0 },
    blocked: { rests: 0, moves: 0 },
  });
});
