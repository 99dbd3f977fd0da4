import { describe, expect, test } from "bun:test";
import type { RedisClientState } from "../../../../../../src/protocols/redis/client/client-state.ts";
import { createTransactionRig, type TransactionRig } from "./rig.ts";

const EXECABORT = "-EXECABORT Transaction discarded because of previous errors.";
const OTHER_SERVER = /-CROSSSLOT '\w+' concerns another server than what was queued or watched/;

/** Moves the session to a process that has no connection of its own to servers. */
function moved(rig: TransactionRig): TransactionRig {
  const { client } = rig.session.move.save();
  return createTransactionRig({ state: JSON.parse(JSON.stringify(client)) as RedisClientState });
}

describe("a transaction", () => {
  test("gets no connection before a key says which", async () => {
    const rig = createTransactionRig();
    expect(await rig.talk("MULTI", "PING", "ECHO hi")).toBe("+OK +QUEUED +QUEUED");
    expect(rig.leases).toEqual([]);
    expect(await rig.talk("SET k1 v")).toBe("+QUEUED");
    expect(rig.leases[0]!.upstream.name).toBe("s1");
    expect(rig.got(rig.leases[0]!)).toEqual(["MULTI", "PING", "ECHO hi", "SET k1 v"]);
    expect(await rig.talk("ECHO yo", "EXEC")).toBe("+QUEUED *4 +PONG $2 hi +OK $2 yo");
    expect(rig.connections.map((connection) => rig.got(connection))).toEqual([[], []]);
  });

  test("gives its connection back with EXEC's reply", async () => {
    const rig = createTransactionRig();
    expect(await rig.send("MULTI", "SET k1 v", "EXEC")).toBe("+OK");
    const [lease] = rig.leases;
    expect(rig.got(lease!)).toEqual(["MULTI", "SET k1 v", "EXEC"]);
    lease!.answer(2);
    expect(lease!.fate).toBe("lent");
    expect(await rig.talk()).toBe("+QUEUED *1 +OK");
    expect(lease!.fate).toBe("clean");
  });

  test("without a key runs on any server, and without commands on none", async () => {
    const rig = createTransactionRig();
    expect(await rig.talk("MULTI", "EXEC", "MULTI", "DISCARD")).toBe("+OK *0 +OK +OK");
    expect(rig.leases).toEqual([]);
    expect(await rig.talk("MULTI", "PING", "EXEC")).toBe("+OK +QUEUED *1 +PONG");
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["clean"]);
  });

  test("follows another over the same connection without a wait", async () => {
    const rig = createTransactionRig();
    const replies = await rig.send("MULTI", "INCR k1", "EXEC", "MULTI", "INCR k1", "EXEC");
    expect(replies).toBe("+OK");
    expect(rig.leases.map((lease) => lease.waiting.length)).toEqual([6]);
    expect(await rig.talk()).toBe("+QUEUED *1 :1 +OK +QUEUED *1 :2");
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["clean"]);
  });

  test("on another server waits for the one before, and has a connection of its own", async () => {
    const rig = createTransactionRig();
    await rig.send("MULTI", "INCR k1", "EXEC", "MULTI", "INCR k0", "EXEC", "GET k0");
    expect(rig.leases.length).toBe(1);
    expect(await rig.talk()).toBe("+QUEUED *1 :1 +OK +QUEUED *1 :1 $1 1");
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["clean", "clean"]);
  });

  test("overtakes nothing, and is not overtaken", async () => {
    const rig = createTransactionRig();
    await rig.send("SET k1 a", "MULTI", "APPEND k1 b", "EXEC", "APPEND k1 c", "GET k1");
    expect(rig.leases).toEqual([]);
    rig.connections[1]!.answer();
    await rig.turn();
    expect(rig.got(rig.leases[0]!)).toEqual(["MULTI", "APPEND k1 b", "EXEC"]);
    expect(rig.got(rig.connections[1]!)).toEqual(["SET k1 a"]);
    expect(await rig.talk()).toBe("+OK +OK +QUEUED *1 :2 :3 $3 abc");
  });

  test("is on one server only", async () => {
    const rig = createTransactionRig();
    const replies = await rig.talk("MULTI", "SET k1 v", "SET k0 v", "SET k1 w", "EXEC", "GET k1");
    expect(replies).toMatch(OTHER_SERVER);
    expect(replies).toEndWith(`+QUEUED ${EXECABORT} $-1`);
    expect(rig.got(rig.leases[0]!)).toEqual(["MULTI", "SET k1 v", "SET k1 w", "DISCARD"]);
    expect(rig.leases[0]!.fate).toBe("clean");
    expect(await rig.talk("MULTI", "GET k1", "PUBLISH c0 m", "SPUBLISH c0 m", "EXEC")).toMatch(
      /^\+OK \+QUEUED \+QUEUED -CROSSSLOT 'SPUBLISH' .* -EXECABORT/,
    );
    const spread = await rig.talk("MULTI", "MGET k0 k1", "DBSIZE", "EXEC");
    expect(spread).toMatch(/^\+OK -CROSSSLOT Keys of 'MGET'/);
    expect(spread).toContain("'DBSIZE' concerns all servers");
    expect(spread).toEndWith(EXECABORT);
  });

  test("over one server is that server's from its first command", async () => {
    const rig = createTransactionRig({ servers: 1 });
    expect(await rig.talk("MULTI", "DBSIZE", "MGET k0 k1", "EXEC")).toBe(
      "+OK +QUEUED +QUEUED *2 :0 *2 $-1 $-1",
    );
  });

  test("ends with an error when something in it was refused", async () => {
    const rig = createTransactionRig();
    for (const wrong of ["NOSUCH", "GET", "SUBSCRIBE c", "MONITOR", "DISCARD extra"]) {
      const replies = await rig.talk("MULTI", "SET k1 v", wrong, "EXEC", "EXEC");
      expect(replies).toEndWith(`${EXECABORT} -ERR EXEC without MULTI`);
    }
    expect(rig.leases.every((lease) => lease.fate === "clean")).toBe(true);
    expect(await rig.talk("MULTI", "MULTI", "WATCH k1", "EXEC")).toBe(
      "+OK -ERR MULTI calls can not be nested -ERR WATCH inside MULTI is not allowed *0",
    );
    expect(await rig.talk("MULTI", "SET k1 v", "EXEC extra", "GET k1")).toBe(
      "+OK +QUEUED -EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command $-1",
    );
  });

  test("has the proxy's own answers in their places", async () => {
    const rig = createTransactionRig();
    const replies = await rig.talk(
      ...["MULTI", "CLIENT SETNAME me", "INCR k1", "CLIENT GETNAME", "LPUSH k1 x", "CLIENT ID"],
      "EXEC",
    );
    expect(replies).toMatch(/ \*5 \+OK :1 \$2 me -WRONGTYPE [^:]* :1$/);
    expect(await rig.talk("MULTI", "CLIENT SETNAME you", "NOSUCH", "EXEC")).toEndWith(EXECABORT);
    expect(await rig.talk("CLIENT GETNAME")).toBe("$2 me");
  });

  test("changes the client's database, protocol and name when it is executed", async () => {
    const rig = createTransactionRig();
    const replies = await rig.talk("MULTI", "SET k1 v", "SELECT 2", "SELECT 99", "EXEC");
    expect(replies).toEndWith("*3 +OK +OK -ERR DB index is out of range");
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["unclean"]);
    await rig.talk("MULTI", "SELECT 3", "DISCARD");
    expect(rig.session.move.save().client).toEqual(
      expect.objectContaining({ database: 2, version: 2 }),
    );
    const hello = await rig.talk("MULTI", "HELLO 3 SETNAME me", "HGETALL h1", "EXEC");
    expect(hello).toEndWith(" %0");
    expect(rig.session.move.save().client).toEqual(
      expect.objectContaining({ database: 2, version: 3, name: "me" }),
    );
    expect(await rig.talk("MULTI", "AUTH nobody wrong", "EXEC")).toMatch(/\*1 -/);
    expect(rig.session.move.save().client).toEqual(expect.objectContaining({ user: null }));
  });

  test("keeps the next one waiting when it changes the connection", async () => {
    const rig = createTransactionRig();
    await rig.send("MULTI", "GET k1", "SELECT 2", "EXEC", "MULTI", "GET k1", "EXEC");
    expect(rig.leases.map((lease) => lease.waiting.length)).toEqual([4]);
    expect(await rig.talk()).toBe("+QUEUED +QUEUED *2 $-1 +OK +OK +QUEUED *1 $-1");
    expect(rig.leases.map((lease) => [lease.variant as number, lease.fate])).toEqual([
      [0, "unclean"],
      [3, "clean"],
    ]);
  });

  test("keeps no more than it may before a key is named", async () => {
    const rig = createTransactionRig();
    const large = "x".repeat(600 * 1024);
    expect(await rig.talk("MULTI", `ECHO ${large}`)).toBe("+OK +QUEUED");
    const replies = await rig.talk(`ECHO ${large}`, "EXEC");
    expect(replies).toMatch(/^-ERR more than 1048576 bytes .* -EXECABORT/);
    expect(await rig.talk("MULTI", "PING", "EXEC")).toEndWith("*1 +PONG");
  });

  test("is refused when no connection can be had", async () => {
    const rig = createTransactionRig();
    rig.mayLend = false;
    expect(await rig.talk("MULTI", "GET k1", "EXEC")).toBe(
      `+OK -ERR no connection for a transaction: no lease for 10.0.0.1 ${EXECABORT}`,
    );
    expect(await rig.talk("WATCH k1")).toStartWith("-ERR no connection for a transaction");
    rig.mayLend = true;
    rig.connections[1]!.refusal = { kind: "refused", wasSent: false, text: "it is down" };
    expect(await rig.talk("MULTI", "GET k1", "EXEC")).toBe(`+OK -ERR it is down ${EXECABORT}`);
    expect(rig.leases).toEqual([]);
  });

  test("waits for room on its connection", async () => {
    const rig = createTransactionRig();
    await rig.talk("MULTI", "GET k1");
    rig.leases[0]!.isFull = true;
    await rig.send("GET k1", "EXEC");
    expect(rig.leases[0]!.waiting).toEqual([]);
    rig.leases[0]!.makeRoom();
    expect(await rig.talk()).toBe("+QUEUED *2 $-1 $-1");
  });
});

describe("what is watched", () => {
  test("is watched over a connection that its server's other commands use too", async () => {
    const rig = createTransactionRig();
    expect(await rig.talk("WATCH k1", "GET k1", "GET k0")).toBe("+OK $-1 $-1");
    expect(rig.got(rig.leases[0]!)).toEqual(["WATCH k1", "GET k1"]);
    expect(rig.got(rig.connections[0]!)).toEqual(["GET k0"]);
    expect(await rig.talk("MULTI", "SET k1 v", "EXEC")).toBe("+OK +QUEUED *1 +OK");
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["clean"]);
  });

  test("makes EXEC fail when it has changed", async () => {
    const rig = createTransactionRig();
    await rig.talk("WATCH k1");
    rig.elsewhere(1, "SET", "k1", "theirs");
    expect(await rig.talk("MULTI", "EXEC", "GET k1")).toBe("+OK *-1 $6 theirs");
    await rig.talk("WATCH k1");
    rig.elsewhere(1, "SET", "k1", "again");
    expect(await rig.talk("UNWATCH", "MULTI", "GET k1", "EXEC")).toBe(
      "+OK +OK +QUEUED *1 $5 again",
    );
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["clean", "clean"]);
  });

  test("is on one server only, together with the transaction", async () => {
    const rig = createTransactionRig();
    expect(await rig.talk("WATCH k0 k1")).toStartWith("-CROSSSLOT Keys of 'WATCH'");
    expect(rig.leases).toEqual([]);
    expect(await rig.talk("WATCH k1", "WATCH k0")).toMatch(OTHER_SERVER);
    const replies = await rig.talk("MULTI", "PING", "GET k0", "EXEC");
    expect(replies).toMatch(OTHER_SERVER);
    expect(replies).toEndWith(EXECABORT);
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["clean"]);
  });

  test("is forgotten by EXEC, DISCARD and UNWATCH, and by each only once", async () => {
    const rig = createTransactionRig();
    for (const end of [["MULTI", "EXEC"], ["MULTI", "DISCARD"], ["UNWATCH"], ["EXEC extra"]]) {
      await rig.talk("WATCH k1");
      await rig.talk(...end);
      expect(rig.leases.at(-1)!.fate).toBe("clean");
    }
    expect(await rig.talk("UNWATCH")).toBe("+OK");
    expect(rig.leases.length).toBe(4);
  });

  test("is not disturbed by what the client wrote before", async () => {
    const rig = createTransactionRig();
    await rig.send("SET k1 a", "WATCH k1", "MULTI", "GET k1", "EXEC");
    expect(rig.leases).toEqual([]);
    expect(await rig.talk()).toBe("+OK +OK +OK +QUEUED *1 $1 a");
  });

  test("may begin over the connection of a transaction that ends", async () => {
    const rig = createTransactionRig();
    expect(await rig.talk("MULTI", "INCR k1", "EXEC", "WATCH k1", "GET k1")).toBe(
      "+OK +QUEUED *1 :1 +OK $1 1",
    );
    expect(rig.leases.map((lease) => lease.fate)).toEqual(["lent"]);
    rig.elsewhere(1, "INCR", "k1");
    expect(await rig.talk("MULTI", "GET k1", "EXEC")).toBe("+OK +QUEUED *-1");
  });
});

describe("a server that is lost", () => {
  test("in a transaction makes EXEC fail", async () => {
    const rig = createTransactionRig();
    await rig.talk("MULTI", "SET k1 v");
    rig.leases[0]!.lose();
    const replies = await rig.talk("SET k1 w", "EXEC", "GET k1");
    expect(replies).toBe(
      "-ERR the connection to server s1 was lost " +
        "-EXECABORT Transaction discarded because of: the connection to server s1 was lost $-1",
    );
  });

  test("with requests on their way fails those", async () => {
    const rig = createTransactionRig();
    await rig.send("MULTI", "SET k1 v");
    rig.leases[0]!.lose();
    expect(await rig.talk("DISCARD", "GET k1")).toBe("-ERR lost +OK $-1");
    expect(await rig.send("MULTI", "SET k1 v", "EXEC")).toBe("+OK");
    rig.leases[1]!.lose();
    expect(await rig.talk("GET k1")).toBe("-ERR lost -ERR lost $-1");
  });

  test("while it watches: as if something had changed", async () => {
    const rig = createTransactionRig();
    await rig.talk("WATCH k1");
    rig.leases[0]!.lose();
    expect(await rig.talk("GET k1", "MULTI", "SET k1 v", "EXEC", "GET k1")).toBe(
      "$-1 +OK +QUEUED *-1 $-1",
    );
    await rig.talk("HELLO 3", "WATCH k1");
    rig.leases.at(-1)!.lose();
    expect(await rig.talk("MULTI", "EXEC", "MULTI", "EXEC")).toBe("+OK _ +OK *0");
    await rig.talk("WATCH k1");
    rig.leases.at(-1)!.lose();
    expect(await rig.talk("WATCH k1", "MULTI", "EXEC", "UNWATCH")).toBe("+OK +OK _ +OK");
  });

  test("a request without a reply in time makes EXEC fail", async () => {
    const rig = createTransactionRig();
    expect(await rig.talk("MULTI", "SET k1 v")).toBe("+OK +QUEUED");
    await rig.send("APPEND k1 w");
    rig.leases[0]!.expire();
    expect(await rig.talk("EXEC", "GET k1")).toBe(`-ERR too late ${EXECABORT} $-1`);
    expect(rig.got(rig.leases[0]!).at(-1)).toBe("DISCARD");
  });

  test("EXEC without a reply in time leaves a connection that nobody else gets", async () => {
    const rig = createTransactionRig();
    await rig.talk("MULTI", "SET k1 v");
    await rig.send("EXEC");
    rig.leases[0]!.expire();
    expect(rig.leases[0]!.fate).toBe("unclean");
    expect(await rig.talk("GET k1")).toBe("-ERR too late $-1");
  });
});

describe("a client that is gone", () => {
  test("leaves a connection that nobody else gets", async () => {
    for (const requests of [["MULTI", "SET k1 v"], ["WATCH k1"], ["MULTI", "SET k1 v", "EXEC"]]) {
      const rig = createTransactionRig();
      await rig.send(...requests);
      rig.session.close();
      expect(rig.leases.map((lease) => lease.fate)).toEqual(["unclean"]);
    }
  });
});

describe("a session that moves", () => {
  test("goes on with a transaction that has no server yet", async () => {
    const rig = createTransactionRig();
    await rig.talk("MULTI", "PING", "CLIENT SETNAME me");
    const there = moved(rig);
    expect(await there.talk("SET k1 v", "CLIENT GETNAME", "EXEC")).toBe(
      "+QUEUED +QUEUED *4 +PONG +OK +OK $2 me",
    );
  });

  test("remembers that EXEC must fail", async () => {
    const rig = createTransactionRig();
    await rig.talk("MULTI", "NOSUCH");
    expect(await moved(rig).talk("SET k1 v", "EXEC")).toBe(`+QUEUED ${EXECABORT}`);
  });

  test("without its connection has lost its server", async () => {
    const rig = createTransactionRig();
    await rig.talk("MULTI", "SET k1 v");
    expect(await moved(rig).talk("EXEC", "GET k1")).toBe(
      "-EXECABORT Transaction discarded because of: the connection to the server was lost $-1",
    );
    const watching = createTransactionRig();
    await watching.talk("WATCH k1");
    expect(await moved(watching).talk("MULTI", "GET k1", "EXEC")).toBe("+OK +QUEUED *-1");
  });

  test("needs a receiver that knows of transactions only when there is one", async () => {
    const rig = createTransactionRig();
    expect(rig.session.frontend.needsFormat).toBe(1);
    await rig.talk("MULTI");
    expect(rig.session.frontend.needsFormat).toBe(2);
    await rig.talk("EXEC");
    expect(rig.session.frontend.needsFormat).toBe(1);
    await rig.talk("WATCH k1");
    rig.leases[0]!.lose();
    expect(rig.session.frontend.needsFormat).toBe(2);
  });
});
