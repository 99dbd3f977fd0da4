/** What a client leaves inside of commands counts in what it holds, until the command is over, however that ends. */
import { describe, expect, test } from "bun:test";
import { connectionKind } from "../../../../../src/api/upstream.ts";
import { ClientMemory } from "../../../../../src/client/client-memory.ts";
import type { Operators } from "../../../../../src/protocols/operators.ts";
import { reachableBytes } from "../../../../support/reachable-bytes.ts";
import { createRig, multibulk, type Rig } from "../../../client/session-rig.ts";
import { createTransactionRig, FakeLease } from "./transaction/rig.ts";

const LARGE = "p".repeat(900_000);
const PUBLISH = `${multibulk(["MULTI"])}${multibulk(["PUBLISH", "channel", LARGE])}`;

const heldBy = ({ session }: Rig): number => session.host.memory.bytes;

function saved({ session }: Rig): never {
  return JSON.parse(JSON.stringify(session.move.save().client)) as never;
}

/** A client whose transaction has a large request, and a deferred one. */
async function inTransaction(): Promise<ReturnType<typeof createTransactionRig>> {
  const rig = createTransactionRig({ servers: 2 });
  rig.input(PUBLISH, multibulk(["CLIENT", "GETNAME"]));
  await rig.turn();
  expect(rig.stream.output).toBe("+OK\r\n+QUEUED\r\n+QUEUED\r\n");
  expect(heldBy(rig)).toBeGreaterThan(900_000);
  return rig;
}

describe("a transaction whose server is not known yet", () => {
  test("holds nothing after EXEC", async () => {
    const rig = await inTransaction();
    await rig.talk("EXEC");
    expect([rig.leases.length, heldBy(rig)]).toEqual([1, 0]);
    expect(rig.got(rig.leases[0]!)).toContain(`PUBLISH channel ${LARGE}`);
  });

  test("holds nothing after DISCARD, RESET, or the loss of its server", async () => {
    for (const end of ["DISCARD", "RESET"]) {
      const rig = await inTransaction();
      await rig.talk(end);
      expect(heldBy(rig)).toBe(0);
    }
    const rig = await inTransaction();
    await rig.send("EXEC");
    rig.leases[0]!.lose();
    await rig.settle();
    expect(heldBy(rig)).toBe(0);
  });

  test("holds nothing when its client is gone, also when the server answers afterwards", async () => {
    const rig = await inTransaction();
    rig.session.close();
    expect(heldBy(rig)).toBe(0);
    await rig.settle();
    expect(heldBy(rig)).toBe(0);
    expect(rig.session.unread.heldBytes).toBe(0);
  });

  test("is held by the process that its client moved to", async () => {
    const rig = await inTransaction();
    const state = saved(rig);
    rig.session.move.leave();
    expect(heldBy(rig)).toBe(0);
    const next = createTransactionRig({ servers: 2, state });
    expect(heldBy(next)).toBeGreaterThan(900_000);
    await next.talk("EXEC");
    expect(heldBy(next)).toBe(0);
  });

  test("takes no more for many short requests than it holds", async () => {
    const rig = createTransactionRig({ servers: 2 });
    await rig.send("MULTI");
    for (let n = 0; n < 300; n++) await rig.send(...Array.from({ length: 50 }, () => "PING"));
    const { transaction } = (rig.session.frontend as never)["features"];
    const bytes = reachableBytes([transaction["queue"]], new Set([rig.session]));
    expect(bytes).toBeGreaterThan(15_000 * "PING\r\n".length);
    expect(heldBy(rig)).toBeGreaterThanOrEqual(bytes);
    const [kept] = [transaction["queue"]["kept"]];
    expect(Buffer.isBuffer(kept)).toBe(true);
    await rig.talk("DISCARD");
    expect(heldBy(rig)).toBe(0);
  });

  test("counts in the bound: clients that have many are closed", async () => {
    const cut: boolean[] = [];
    const rig = createRig({
      memory: (turn) =>
        new ClientMemory({
          ...{ turn, budget: () => 800_000, onGarbage() {} },
          holders: () => [rig.session.unread],
        }),
    });
    rig.input(PUBLISH);
    await rig.turn();
    await rig.turn();
    cut.push(rig.session.isOpen);
    expect(cut).toEqual([false]);
    expect(heldBy(rig)).toBe(0);
  });
});

/** A client in BLPOP of a large key. */
async function blocked(): Promise<{ rig: Rig; lease: FakeLease }> {
  const leases: FakeLease[] = [];
  const rig = createRig({
    lend: (upstream, variant, turn) => {
      const answer = ([name]: readonly string[]): string =>
        name === "CLIENT" ? ":7\r\n" : "*-1\r\n";
      const lease = new FakeLease(upstream, connectionKind(variant), turn, answer, () => {});
      leases.push(lease);
      return lease;
    },
  });
  rig.ask("BLPOP", `${LARGE}0`, "0");
  await rig.turn();
  leases[0]!.answer(1);
  expect(leases[0]!.requests.length).toBe(2);
  expect(heldBy(rig)).toBeGreaterThanOrEqual(900_000);
  return { rig, lease: leases[0]! };
}

test("a client that blocks holds its keys until it is answered, or gone", async () => {
  const answered = await blocked();
  answered.lease.answer();
  await answered.rig.settle();
  expect(heldBy(answered.rig)).toBe(0);
  const lost = await blocked();
  lost.lease.lose();
  await lost.rig.settle();
  expect(heldBy(lost.rig)).toBe(0);
  const closed = await blocked();
  closed.rig.session.close();
  await closed.rig.settle();
  expect(heldBy(closed.rig)).toBe(0);
});

test("users and passwords that no server would take from a new client are not kept for kinds of connections", async () => {
  const rig = createRig({ needsPassword: false });
  rig.ask("AUTH", "default", LARGE);
  await rig.settle();
  expect(rig.stream.output).toContain("-WRONGPASS users and passwords of more than");
});

test("a client has one question about the proxy open at a time", async () => {
  const rig = createRig();
  const asked: Parameters<Operators["show"]>[1][] = [];
  const operators: Operators = { areAllowed: () => true, show: (_, done) => void asked.push(done) };
  Object.assign(rig.pool, { operators });
  rig.input(multibulk(["PROXY", "SHOW", "CONFIG"]).repeat(1500));
  for (let n = 1; n < 10; n++) {
    await rig.turn();
    expect(asked.length).toBe(n);
    asked.at(-1)!({ rows: [{ n }] });
  }
  await rig.turn();
  expect(
    rig.stream.output.startsWith("*1\r\n*2\r\n$1\r\nn\r\n:1\r\n*1\r\n*2\r\n$1\r\nn\r\n:2\r\n"),
  ).toBe(true);
});
