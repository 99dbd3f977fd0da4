import { describe, expect, test } from "bun:test";
import type { Failure } from "../../../../../../src/api/upstream.ts";
import { connectionKind } from "../../../../../../src/api/upstream.ts";
import { CLIENT_NAME_BYTES_MAX } from "../../../../../../src/base/limits.ts";
import { prove } from "../../../../../../src/protocols/redis/client/identity/ask-servers.ts";
import type { RedisClient } from "../../../../../../src/protocols/redis/client/redis-client.ts";
import { createRig, type Rig } from "../../../../client/session-rig.ts";
import { FakeLease } from "../transaction/rig.ts";

const REFUSED: Failure = {
  kind: "handshake",
  wasSent: false,
  text: "server s0 refused SELECT 9",
  reply: Buffer.from("-ERR DB index is out of range\r\n"),
};
const OWN = { version: 2, database: 0, user: null, password: null } as const;
const AWAY: Failure = { kind: "refused", wasSent: false, text: "away" };

/** Stands, or does not, when the test says so. */
class SlowLease extends FakeLease {
  isReady: (failure: Failure | null) => void = () => {};

  override whenReady(callback: (failure: Failure | null) => void): void {
    this.isReady = callback;
  }
}

interface IdentityRig extends Rig {
  readonly leases: SlowLease[];
  /** Turns pass, without servers' doing anything, and the client has received so much. */
  heard(): Promise<string>;
}

function createIdentityRig(options: Parameters<typeof createRig>[0] = {}): IdentityRig {
  const leases: SlowLease[] = [];
  const rig = createRig({
    servers: 2,
    lend: (upstream, variant, turn) => {
      const lease = new SlowLease(
        upstream,
        connectionKind(variant),
        turn,
        () => "+OK\r\n",
        () => {},
      );
      leases.push(lease);
      return lease;
    },
    ...options,
  });
  const heard = async (): Promise<string> => {
    await rig.turn();
    await rig.turn();
    return rig.stream.output;
  };
  return { ...rig, leases, heard };
}

describe("CLIENT KILL", () => {
  test("has no server look for whom it means", async () => {
    const rig = createIdentityRig({ servers: 1, answerOf: () => ":0\r\n" });
    const filters = ["ID 5", "ADDR 1.2.3.4:5", "TYPE normal USER u SKIPME no"];
    for (const filter of filters) rig.ask("CLIENT", "KILL", ...filter.split(" "));
    await rig.settle();
    const asked = rig.connections[0]!.requests.map((words) => words.join(" "));
    const nobody = "ID 9223372036854775807";
    const plain = `CLIENT KILL ${nobody}`;
    expect(asked).toEqual([plain, plain, `CLIENT KILL USER u ${nobody}`]);
  });
});

describe("SELECT", () => {
  test("waits for what came before, and what comes after waits for it", async () => {
    const rig = createIdentityRig();
    rig.ask("GET", "v0");
    rig.ask("SELECT", "1");
    rig.ask("GET", "v2");
    expect(rig.leases.length).toBe(0);
    rig.connections[0]!.answer();
    await rig.heard();
    expect(rig.leases.length).toBe(1);
    expect(rig.connections[0]!.requests.length).toBe(1);
    rig.leases[0]!.isReady(null);
    expect(await rig.heard()).toBe("$4\r\n<v0>\r\n+OK\r\n");
    expect(rig.leases[0]!.fate).toBe("clean");
    await rig.settle();
    expect(rig.stream.output).toEndWith("$4\r\n<v2>\r\n");
  });

  test("is waited for, whoever else wakes the session", async () => {
    const rig = createIdentityRig();
    rig.ask("SELECT", "1");
    rig.ask("GET", "v2");
    rig.pool.turn.wake(rig.session);
    await rig.heard();
    expect(rig.connections.flatMap(({ requests }) => requests)).toEqual([]);
    rig.leases[0]!.isReady(null);
    await rig.settle();
    expect(rig.stream.output).toBe("+OK\r\n$4\r\n<v2>\r\n");
  });

  test("goes on after a move to another process was called off", async () => {
    const rig = createIdentityRig();
    rig.ask("SELECT", "1");
    rig.ask("GET", "v2");
    rig.session.move.begin(() => {});
    rig.session.move.cancel();
    await rig.heard();
    expect(rig.connections.flatMap(({ requests }) => requests)).toEqual([]);
    rig.leases[0]!.isReady(null);
    await rig.settle();
    expect(rig.stream.output).toBe("+OK\r\n$4\r\n<v2>\r\n");
    expect(rig.stream.isPaused).toBe(false);
  });

  test("what a server has agreed to once is not asked again", async () => {
    const rig = createIdentityRig();
    for (const database of ["1", "0", "1", "0", "1"]) {
      rig.ask("SELECT", database);
      await rig.turn();
      for (const lease of rig.leases) if (lease.fate === "lent") lease.isReady(null);
      await rig.turn();
    }
    expect(await rig.heard()).toBe("+OK\r\n".repeat(5));
    expect(rig.leases.length).toBe(1);
  });

  test("a refusal is told in the server's words, and changes nothing", async () => {
    const rig = createIdentityRig();
    rig.ask("SELECT", "9");
    rig.leases[0]!.fate = "lost";
    rig.leases[0]!.isReady(REFUSED);
    rig.ask("CLIENT", "INFO");
    expect(await rig.heard()).toMatch(/^-ERR DB index is out of range\r\n\$.* db=0 /s);
  });

  test("a server that is away is no answer: another one is asked", async () => {
    const rig = createIdentityRig();
    rig.ask("SELECT", "1");
    rig.leases[0]!.fate = "lost";
    rig.leases[0]!.isReady(AWAY);
    expect(rig.leases.map(({ upstream }) => upstream.id)).toEqual([0, 1]);
    rig.leases[1]!.isReady(null);
    expect(await rig.heard()).toBe("+OK\r\n");
  });

  test("one that says nothing sensible is no answer either", async () => {
    const rig = createIdentityRig();
    rig.ask("SELECT", "9");
    rig.leases[0]!.isReady({ kind: "handshake", wasSent: false, text: "not the protocol" });
    rig.leases[1]!.isReady(REFUSED);
    expect(await rig.heard()).toBe(`${REFUSED.reply}`);
  });

  test("when all are away the client is told", async () => {
    const rig = createIdentityRig();
    rig.ask("SELECT", "1");
    for (let i = 0; i < 2; i++) {
      rig.leases[i]!.fate = "lost";
      rig.leases[i]!.isReady(AWAY);
    }
    expect(await rig.heard()).toBe("-ERR away\r\n");
  });

  test("a client that leaves meanwhile leaves nothing behind", async () => {
    const rig = createIdentityRig();
    const { variants } = rig.pool;
    rig.ask("SELECT", "1");
    const { variant } = rig.leases[0]!;
    rig.session.close();
    // Not before the server has said something may the number stand for anything else.
    variants.sweep(1, () => true);
    expect(variants.hold({ ...OWN, database: 2 }, "10.0.0.1")).not.toBe(variant);
    rig.leases[0]!.fate = "lost";
    rig.leases[0]!.isReady(REFUSED);
    variants.sweep(2, () => true);
    expect(variants.hold({ ...OWN, database: 3 }, "10.0.0.1")).toBe(variant);
  });

  test("however many want the same, one server at a time is asked", async () => {
    const rig = createIdentityRig();
    const { variants } = rig.pool;
    rig.ask("SELECT", "1");
    let told = 0;
    const client = { pool: rig.pool, session: rig.session } as unknown as RedisClient;
    for (let i = 0; i < 9; i++) prove(client, rig.leases[0]!.variant, () => told++);
    expect(rig.leases.length).toBe(1);
    rig.leases[0]!.isReady(null);
    expect(told).toBe(9);
    expect(variants.isProven(rig.leases[0]!.variant)).toBe(true);
    expect(await rig.heard()).toBe("+OK\r\n");
  });
});

describe("AUTH", () => {
  test("asks a server each time, and asks the next when it is away", async () => {
    const rig = createIdentityRig({ answerOf: () => "+OK\r\n" });
    for (let i = 0; i < 3; i++) rig.ask("AUTH", "bob", "pw");
    await rig.settle();
    rig.connections[0]!.refusal = AWAY;
    rig.ask("AUTH", "bob", "pw");
    await rig.settle();
    expect(rig.stream.output).toBe("+OK\r\n".repeat(4));
    const asked = rig.connections.map(({ requests }) => requests.length);
    expect(asked).toEqual([3, 1]);
  });

  test("a reply that never comes is an error, and lets nobody in", async () => {
    const rig = createIdentityRig({ needsPassword: true, answerOf: () => null });
    rig.ask("AUTH", "pw");
    rig.connections[0]!.answer();
    rig.ask("GET", "v0");
    await rig.settle();
    expect(rig.stream.output).toBe("-ERR lost 1\r\n-NOAUTH Authentication required.\r\n");
    const asked = rig.connections.map(({ requests }) => requests);
    expect(asked).toEqual([[["AUTH", "pw"]], [["AUTH", "pw"]]]);
  });

  test("what is longer than a server reads from a stranger is nobody's password", async () => {
    const rig = createIdentityRig({ answerOf: () => "+OK\r\n" });
    rig.ask("AUTH", "p".repeat(16 * 1024 + 1));
    await rig.settle();
    expect(rig.stream.output).toStartWith("-WRONGPASS ");
    expect(rig.connections[0]!.requests).toEqual([]);
  });
});

describe("a server that hangs", () => {
  test("is not waited for when another one can say whether a database may be had", async () => {
    const rig = createIdentityRig();
    rig.ask("SELECT", "1");
    rig.deadlines.reach(1049);
    expect(rig.leases.length).toBe(1);
    rig.deadlines.reach(1050);
    expect(rig.leases.map(({ upstream }) => upstream.id)).toEqual([0, 1]);
    rig.leases[1]!.isReady(null);
    expect(await rig.heard()).toBe("+OK\r\n");
    // The first one comes to itself: what was lent is given back, and the client hears nothing more.
    rig.leases[0]!.isReady(null);
    expect(rig.leases.map(({ fate }) => fate)).toEqual(["clean", "clean"]);
    expect(await rig.heard()).toBe("+OK\r\n");
  });

  test("is not waited for when another one knows the password", async () => {
    const rig = createIdentityRig({ answerOf: () => "+OK\r\n" });
    rig.ask("AUTH", "bob", "pw");
    await rig.turn();
    rig.deadlines.reach(1050);
    rig.connections[1]!.answer();
    expect(await rig.heard()).toBe("+OK\r\n");
    rig.connections[0]!.answer();
    expect(await rig.heard()).toBe("+OK\r\n");
  });

  test("is not waited for when another one says that it wants no password", async () => {
    const rig = createIdentityRig({ needsPassword: null });
    rig.ask("PING");
    expect(await rig.heard()).toBe("");
    rig.pool.variants.access.learn(false);
    rig.connections[1]!.makeRoom();
    expect(await rig.heard()).toBe("+PONG\r\n");
  });
});

describe("who gives no password", () => {
  test("waits until it is known whether one is wanted", async () => {
    const rig = createIdentityRig({ needsPassword: null });
    rig.ask("GET", "v0");
    rig.ask("PING");
    expect(await rig.heard()).toBe("");
    rig.pool.variants.access.learn(false);
    rig.connections[0]!.makeRoom();
    await rig.settle();
    expect(rig.stream.output).toBe("$4\r\n<v0>\r\n+PONG\r\n");
  });

  test("is let through to servers that cannot be asked", async () => {
    const rig = createIdentityRig({ needsPassword: null });
    for (const connection of rig.connections) connection.refusal = AWAY;
    rig.ask("GET", "v0");
    rig.ask("PING");
    expect(await rig.heard()).toBe("-ERR away\r\n+PONG\r\n");
  });

  test("may not give itself a name without end", async () => {
    const rig = createIdentityRig({ needsPassword: false });
    const long = "n".repeat(CLIENT_NAME_BYTES_MAX + 1);
    rig.ask("CLIENT", "SETNAME", long);
    rig.ask("CLIENT", "SETINFO", "lib-name", long);
    rig.ask("HELLO", "2", "SETNAME", long);
    rig.ask("CLIENT", "SETNAME", long.substring(1));
    rig.ask("CLIENT", "GETNAME");
    expect(await rig.heard()).toBe(
      `${"-ERR Client names cannot be longer than 512 bytes through the proxy\r\n".repeat(3)}+OK\r\n$512\r\n${long.substring(1)}\r\n`,
    );
  });

  test("gets nothing else, until it does", async () => {
    const rig = createIdentityRig({ needsPassword: true });
    for (const request of [["GET", "v0"], ["PING"], ["CLIENT", "LIST"]]) rig.ask(...request);
    rig.ask("HELLO", "3", "SETNAME", "me");
    expect(await rig.heard()).toMatch(
      /^(-NOAUTH Authentication required\.\r\n){3}-NOAUTH HELLO must/,
    );
    expect(rig.connections.flatMap(({ requests }) => requests)).toEqual([]);
  });
});
