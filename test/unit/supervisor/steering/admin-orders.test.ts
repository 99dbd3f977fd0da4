import { expect, test } from "bun:test";
import { LEVER_MS_MAX } from "../../../../src/base/limits.ts";
import { answerAdminOrder } from "../../../../src/supervisor/steering/admin-orders.ts";
import type { SteeredProxy } from "../../../../src/supervisor/steering/steering-requests.ts";

const SET = {
  ...{ verb: "config_set", path: "main.timeout", value: "2s" },
  ...{ isSaved: false, reloads: false, forMs: 1_000 },
};
const PAUSE = { verb: "lever", kind: "pause", pool: "main", text: "", forMs: 1_000 };

/** A proxy that has no more than its configuration: what is not refused before reaches for more, and throws. */
async function refusalOf(order: unknown, leversTokenFile?: string | null): Promise<string> {
  const errors: unknown[] = [];
  const admin = {
    listen: null,
    tokenFile: null,
    ...(leversTokenFile === undefined ? {} : { leversTokenFile }),
  };
  const log = { error: (_: string, fields: unknown) => errors.push(fields) };
  const proxy = { running: { admin, pools: [] }, log } as unknown as SteeredProxy;
  const result = await answerAdminOrder(proxy, order, "10.0.0.7:1");
  expect(result.ok).toBe(false);
  return errors.length > 0 ? "taken" : result.ok ? "" : result.problems.join();
}

test("without a token in the configuration the admin process can change nothing, whatever it sends", async () => {
  for (const file of [undefined, null]) {
    for (const order of [SET, PAUSE, { verb: "kick", target: { id: 1 } }]) {
      expect(await refusalOf(order, file)).toContain("takes no orders over HTTP");
    }
  }
  expect(await refusalOf(PAUSE, "/token")).not.toContain("takes no orders");
});

test("what only the control socket may is refused with a token, too", async () => {
  const commands = /only be ordered with commands/;
  for (const order of [
    { verb: "stop", isDrain: false, timeoutMs: null },
    { verb: "reload", isDryRun: false },
    { verb: "upgrade", path: "/tmp/other", isTrusted: true },
    { verb: "slowlog_reset", pool: null },
    { verb: "__proto__" },
  ]) {
    expect(await refusalOf(order, "/token")).toMatch(commands);
  }
  expect(await refusalOf({ ...SET, isSaved: true }, "/token")).toContain("files are only written");
  expect(await refusalOf({ ...SET, reloads: true }, "/token")).toContain("files are only written");
  expect(await refusalOf({ ...SET, forMs: null }, "/token")).toContain("for a while");
  expect(await refusalOf({ ...SET, forMs: LEVER_MS_MAX + 1 }, "/token")).toContain("for a while");
});

test("what is no order is none", async () => {
  for (const order of [
    null,
    7,
    "pause",
    {},
    { verb: 7 },
    { ...PAUSE, forMs: 0 },
    { ...PAUSE, pool: null },
  ]) {
    expect(await refusalOf(order, "/token")).toContain("no order");
  }
});
