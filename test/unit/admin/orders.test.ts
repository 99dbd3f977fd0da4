import { expect, test } from "bun:test";
import { answerOrder, ORDERS } from "../../../src/admin/orders.ts";
import type { AdminOrder } from "../../../src/api/control-socket.ts";

function orderOf(path: string, words: object): AdminOrder | string {
  return ORDERS.get(path)!(words as Record<string, unknown>);
}

test("the words of each order are those of its command, each with an end", () => {
  const cases: readonly (readonly [string, object, AdminOrder])[] = [
    [
      ...(["/pause", { pool: "main" }] as const),
      { verb: "lever", kind: "pause", pool: "main", text: "", forMs: 5_000 },
    ],
    [
      ...(["/readonly", { pool: "main", for: "30s" }] as const),
      { verb: "lever", kind: "readonly", pool: "main", text: "", forMs: 30_000 },
    ],
    [
      ...(["/block", { pattern: " DEL user:* " }] as const),
      { verb: "lever", kind: "block", pool: null, text: "DEL user:*", forMs: 600_000 },
    ],
    [
      ...(["/resume", { pool: "main" }] as const),
      { verb: "release", id: null, kind: "pause", pool: "main" },
    ],
    [
      ...(["/drain", { server: "cache3", for: "30m" }] as const),
      { verb: "lever", kind: "drain", pool: null, text: "cache3", forMs: 1_800_000 },
    ],
    [
      ...(["/undrain", { server: "cache3", pool: "main" }] as const),
      { verb: "release", id: null, kind: "drain", pool: "main", text: "cache3" },
    ],
    [...(["/release", { lever: 3 }] as const), { verb: "release", id: 3, kind: null, pool: null }],
    [
      ...(["/release", { lever: "all" }] as const),
      { verb: "release", id: null, kind: null, pool: null },
    ],
    [...(["/kick", { client: "17" }] as const), { verb: "kick", target: { id: 17 } }],
    [
      ...(["/kick", { client: "10.0.0.7:51814" }] as const),
      { verb: "kick", target: { address: "10.0.0.7:51814" } },
    ],
    [
      ...(["/log-level", { level: "debug", for: "1m" }] as const),
      {
        ...{ verb: "config_set", path: "log.level", value: "debug" },
        ...{ isSaved: false, reloads: false, forMs: 60_000 },
      },
    ],
    [
      ...(["/config/set", { path: "main.timeout", value: "2s" }] as const),
      {
        ...{ verb: "config_set", path: "main.timeout", value: "2s" },
        ...{ isSaved: false, reloads: false, forMs: 600_000 },
      },
    ],
    [
      ...(["/config/unset", { path: "main.timeout" }] as const),
      { verb: "config_unset", path: "main.timeout" },
    ],
  ];
  for (const [path, words, order] of cases) expect(orderOf(path, words)).toEqual(order);
  expect(new Set(cases.map(([path]) => path))).toEqual(new Set(ORDERS.keys()));
});

test("words that are missing, unknown, or of another kind are told", () => {
  const cases: readonly (readonly [string, object])[] = [
    ["/pause", {}],
    ["/pause", { pool: null }],
    ["/pause", { pool: "main", for: 5 }],
    ["/pause", { pool: "main", for: "0s" }],
    ["/pause", { pool: "main", for: "long" }],
    ["/pause", { pool: "main", pattern: "GET" }],
    ["/block", { pattern: "  " }],
    ["/block", { pattern: ["GET"] }],
    ["/block", { pattern: "GET", pool: "" }],
    ["/release", {}],
    ["/release", { lever: -1 }],
    ["/release", { lever: 1.5 }],
    ["/kick", { client: {} }],
    ["/kick", { client: 0 }],
    ["/log-level", { level: "debug", save: true }],
    ["/log-level", { for: "1m" }],
    ["/config/set", { path: "main.timeout", value: 2 }],
    ["/config/set", { path: "main.timeout", value: "2s", save: true }],
    ["/config/unset", {}],
  ];
  for (const [path, words] of cases) {
    expect([path, words, typeof orderOf(path, words)]).toEqual([path, words, "string"]);
  }
});

test("only a JSON object is an order; a refusal is told with its reason and another status", async () => {
  const order = ORDERS.get("/pause")!;
  const given: AdminOrder[] = [];
  const refuse = async (it: AdminOrder) => {
    given.push(it);
    return { ok: false, problems: ['there is no pool "main"'] } as const;
  };
  for (const body of ["", "null", "[]", '"pause"', "7", "{pool:1}", '{"pool":"main"']) {
    expect([body, (await answerOrder(body, order, refuse)).status]).toEqual([body, 400]);
  }
  expect(given).toEqual([]);
  const refused = await answerOrder('{"pool":"main"}', order, refuse);
  expect([refused.status, JSON.parse(`${refused.body}`)]).toEqual([
    ...[409, { ok: false, problems: ['there is no pool "main"'] }],
  ]);
  expect((await answerOrder('{"pool":"main"}', order, async () => null)).status).toBe(503);
  // A word that every object has is none of the order's.
  expect((await answerOrder('{"__proto__":{"pool":"main"}}', order, refuse)).status).toBe(400);
});

test("a drain names its server, and maybe a pool", () => {
  expect(orderOf("/drain", {})).toBe("server: its name or its address");
  expect(orderOf("/drain", { server: "a", pool: "" })).toBe("pool: the name of one");
  expect(orderOf("/drain", { server: "a", for: "soon" })).toContain("a duration");
  expect(orderOf("/undrain", { server: "a", for: "1m" })).toContain("there is only server, pool");
});
