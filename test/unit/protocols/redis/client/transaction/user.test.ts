/** Transactions of clients that may not be permitted any. */
import { describe, expect, test } from "bun:test";
import { startState } from "../../../../../../src/protocols/redis/client/client-state.ts";
import { createTransactionRig } from "./rig.ts";

describe("a client that is a user of the servers' own", () => {
  const state = { ...startState(1, true), user: "u", password: "p" };

  test("has its transaction once the server has said so", async () => {
    const rig = createTransactionRig({ state });
    await rig.send("MULTI", "PING", "INCR k1", "INCR k1", "EXEC");
    expect(rig.got(rig.leases[0]!)).toEqual(["MULTI"]);
    expect(await rig.talk()).toBe("+QUEUED +QUEUED *3 +PONG :1 :2");
    expect(await rig.talk("MULTI", "PING", "EXEC")).toBe("+OK +QUEUED *1 +PONG");
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["clean", "clean"]);
  });

  test("has nothing executed when it is not permitted to have one", async () => {
    const rig = createTransactionRig({ state, forbids: "MULTI" });
    const replies = await rig.talk("MULTI", "ECHO e", "INCR k1", "INCR k1", "EXEC", "GET k1");
    expect(replies).toBe(
      "+OK +QUEUED -NOPERM not for you -NOPERM not for you " +
        "-EXECABORT Transaction discarded because of: NOPERM not for you $-1",
    );
    expect(rig.got(rig.leases[0]!)).toEqual(["MULTI", "DISCARD"]);
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["unclean"]);
  });

  test("and becomes nobody whose kind has no room, leaves others what they hold", async () => {
    const rig = createTransactionRig({ state });
    const { variants } = rig.pool;
    const kind = { version: 2, database: 0, user: "u", password: "p" } as const;
    const held = variants.hold(kind, "10.0.0.1");
    variants.hold({ ...kind, database: 2 }, "10.0.0.1");
    for (let database = 10; variants.hold({ ...kind, database }, "10.0.0.1") >= 0; database++);
    await rig.talk("MULTI", "SELECT 1", "SELECT 2", "SET k1 v", "EXEC");
    expect(rig.closed()).toBe(true);
    const forgotten: number[] = [];
    variants.sweep(0, (number) => forgotten.push(number) > 0);
    expect(forgotten).not.toContain(held);
  });

  test("or as nobody in particular, which is known once a server has said so", async () => {
    const rig = createTransactionRig({ forbids: "MULTI" });
    const replies = await rig.talk("MULTI", "INCR k1", "INCR k1", "EXEC", "GET k1");
    expect(replies).toMatch(/^\+OK -NOPERM not for you -NOPERM not for you -EXECABORT .* \$-1$/);
    const again = await rig.talk("MULTI", "INCR k1", "EXEC", "GET k1");
    expect(again).toMatch(/^\+OK -NOPERM not for you -EXECABORT .* \$-1$/);
  });

  test("whose server is lost before it has said so", async () => {
    const rig = createTransactionRig({ state });
    await rig.send("MULTI", "INCR k1", "EXEC");
    rig.leases[0]!.lose();
    expect(await rig.talk()).toMatch(/^-ERR the connection .* -EXECABORT /);
  });
});
