/** `transactions: split`: each server executes its part of a transaction. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Failure } from "../../../../../../src/api/upstream.ts";
import type { RedisClientState } from "../../../../../../src/protocols/redis/client/client-state.ts";
import { serverOf } from "../../../../client/session-rig.ts";
import { createTransactionRig, type TransactionRig } from "./rig.ts";

const SERVERS = 3;

function splitRig(state?: RedisClientState): TransactionRig {
  return createTransactionRig({
    ...{ servers: SERVERS, splitsTransactions: true },
    ...(state === undefined ? {} : { state }),
  });
}

const request = fc.oneof(
  fc.nat(9).map((n) => `INCR k${n}`),
  fc.nat(9).map((n) => `GET k${n}`),
  fc.nat(9).map((n) => `LPUSH k${n} x`),
  fc.constantFrom("PING", "ECHO hi", "CLIENT GETNAME"),
);

test("replies come in the order of the requests, whichever server has executed them", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 20 }), async (requests) => {
      const [split, single] = [splitRig(), createTransactionRig({ servers: 1 })];
      const queued = requests.map(() => "+QUEUED");
      const all = ["MULTI", ...requests, "EXEC"];
      const reply = await split.talk(...all);
      // What one server says that has all keys: the same.
      expect(reply).toBe(await single.talk(...all));
      expect(reply).toStartWith(["+OK", ...queued, `*${requests.length}`].join(" "));
      expect(split.leases.every(({ fate }) => fate === "clean")).toBe(true);
      expect(split.session.isIdle).toBe(true);
      const keyed = requests.filter((text) => / k\d/.test(text));
      const servers = new Set(keyed.map((text) => serverOf(text.split(" ")[1]!, SERVERS)));
      const unkeyed = requests.length > 0 && keyed.length === 0 ? 1 : 0;
      expect(split.leases.length).toBe(servers.size + unkeyed);
    }),
    { numRuns: 100 },
  );
});

test("each server gets its part as a transaction of its own, requests without a key with the first", async () => {
  const rig = splitRig();
  const reply = await rig.talk("MULTI", "PING", "SET k1 a", "SET k0 b", "ECHO x", "GET k1", "EXEC");
  expect(reply).toBe("+OK +QUEUED +QUEUED +QUEUED +QUEUED +QUEUED *5 +PONG +OK +OK $1 x $1 a");
  expect(rig.leases.map((lease) => rig.got(lease))).toEqual([
    ["MULTI", "PING", "SET k1 a", "ECHO x", "GET k1", "EXEC"],
    ["MULTI", "SET k0 b", "EXEC"],
  ]);
});

test("what is wrong with one server stands in place of its elements, and others do their part", async () => {
  const rig = splitRig();
  const away: Failure = { kind: "refused", wasSent: false, text: "away" };
  await rig.send("MULTI", "SET k0 a", "SET k1 b", "SET k0 c", "EXEC");
  const [zero] = rig.leases;
  zero!.answer(3);
  await rig.send();
  zero!.lose();
  const reply = await rig.talk();
  expect(reply).toBe(
    "+QUEUED +QUEUED +QUEUED *3 -ERR lost +OK -ERR lost".replace("+QUEUED +QUEUED +QUEUED ", ""),
  );
  // One that could not be sent anything.
  rig.mayLend = false;
  rig.connections[1]!.refusal = away;
  expect(await rig.talk("MULTI", "SET k0 a", "SET k1 b", "EXEC")).toMatch(
    /^\+OK \+QUEUED \+QUEUED -ERR /,
  );
  rig.mayLend = true;
  rig.connections[1]!.refusal = null;
  expect(await rig.talk("MULTI", "SET k0 a", "SET k1 b", "EXEC")).toEndWith("*2 +OK +OK");
});

test("an error of a request is that element's; one that is refused while queued aborts all, and nothing is sent", async () => {
  const rig = splitRig();
  await rig.talk("SET k0 word", "SET k1 word");
  expect(await rig.talk("MULTI", "INCR k0", "SET k1 1", "EXEC")).toMatch(
    / \*2 -ERR value is not an integer or out of range \+OK$/,
  );
  const { length } = rig.leases;
  expect(await rig.talk("MULTI", "SET k0 1", "SET k1", "EXEC")).toMatch(
    /-ERR wrong number of arguments.* -EXECABORT/,
  );
  expect(await rig.talk("MULTI", "SET k0 1", "MSET k1 a k2 b", "EXEC")).toMatch(
    /-CROSSSLOT.* -EXECABORT/,
  );
  expect(rig.leases.length).toBe(length);
});

test("WATCH, and what makes the client another one, are refused with the reason", async () => {
  const rig = splitRig();
  expect(await rig.talk("WATCH k0")).toContain("-ERR WATCH is not possible in a pool that splits");
  expect(await rig.talk("MULTI", "SELECT 1", "EXEC")).toMatch(
    /-ERR SELECT, AUTH and HELLO cannot be in a transaction that is split.* -EXECABORT/,
  );
  expect(await rig.talk("MULTI", "SET k0 1", "DISCARD", "UNWATCH", "GET k0")).toBe(
    "+OK +QUEUED +OK +OK $-1",
  );
  // With one server there is nothing to split.
  const single = createTransactionRig({ servers: 1, splitsTransactions: true });
  expect(await single.talk("WATCH k0", "MULTI", "SELECT 1", "EXEC")).toContain("+QUEUED");
});

test("what was queued moves with its client, and is split there, also when that pool splits no more", async () => {
  const rig = splitRig();
  await rig.talk("MULTI", "INCR k0", "CLIENT GETNAME", "INCR k1", "INCR k2");
  const { client } = rig.session.move.save();
  const state = JSON.parse(JSON.stringify(client)) as RedisClientState;
  for (const splitsTransactions of [true, false]) {
    const next = createTransactionRig({ servers: SERVERS, state, splitsTransactions });
    expect(await next.talk("INCR k1", "EXEC")).toBe("+QUEUED *5 :1 $-1 :1 :1 :2");
    expect(next.shards.map((_, server) => next.elsewhere(server, "GET", `k${server}`))).toEqual([
      "$1\r\n1\r\n",
      "$1\r\n2\r\n",
      "$1\r\n1\r\n",
    ]);
  }
});
