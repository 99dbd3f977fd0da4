/** What orders do to a worker's configuration. */
import { expect, test } from "bun:test";
import type { Config } from "../../../src/api/config.ts";
import { WorkerSteering } from "../../../src/worker/steering.ts";
import { loadConfig } from "../../support/load-config.ts";

function load(): Config {
  const text =
    "log: { level: warn }\npools:\n  p: { listen: h:1, timeout: 5s, servers: [h:2:1] }\n";
  const { config } = loadConfig(text, "f.yaml");
  if (config === null) throw new Error("the file is wrong");
  return config;
}

const level = { pool: null, field: "log.level", value: "debug" };
const timeout = { pool: "p", field: "timeoutMs", value: 300 };

test("values are put over the configuration in place, and taken back", () => {
  const config = load();
  const [pool] = config.pools;
  const steering = new WorkerSteering(config, { revision: 3, values: [timeout] });
  expect(pool?.timeoutMs).toBe(300);
  expect(steering.follow({ revision: 4, values: [level] })).toBe(true);
  expect(config.pools[0]).toBe(pool!);
  expect([pool?.timeoutMs, config.log.level]).toEqual([5000, "debug"]);
  expect(steering.follow({ revision: 5, values: [] })).toBe(true);
  expect(config).toEqual(load());
});

test("of two values for one field the later holds, and the configuration's own comes back", () => {
  const config = load();
  const steering = new WorkerSteering(config, { revision: 1, values: [] });
  steering.follow({ revision: 2, values: [timeout, { ...timeout, value: null }] });
  expect(config.pools[0]?.timeoutMs).toBeNull();
  steering.follow({ revision: 3, values: [timeout] });
  expect(config.pools[0]?.timeoutMs).toBe(300);
  steering.follow({ revision: 4, values: [] });
  expect(config).toEqual(load());
});

test("an order that is older than what holds is passed over, and so are pools that are gone", () => {
  const config = load();
  const steering = new WorkerSteering(config, { revision: 5, values: [] });
  expect(steering.follow({ revision: 4, values: [timeout] })).toBe(false);
  expect(steering.follow({ revision: 6, values: [{ ...timeout, pool: "q" }] })).toBe(true);
  expect(config).toEqual(load());
});

test("a field that it does not know is a problem, and nothing is made of it", () => {
  const config = load();
  const steering = new WorkerSteering(config, { revision: 1, values: [] });
  const order = { revision: 2, values: [{ pool: "p", field: "timeotMs", value: 1 }] };
  expect(steering.problemOf(order)).toContain("timeotMs");
  expect(steering.problemOf({ revision: 2, values: [timeout, level] })).toBeNull();
  steering.follow(order);
  expect(config).toEqual(load());
});
