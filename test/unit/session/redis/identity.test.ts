import { describe, expect, test } from "bun:test";
import type { Failure } from "../../../../src/api/upstream.ts";
import { createRig, type Rig } from "../session-rig.ts";
import { FakeLease } from "./transaction-rig.ts";

const REFUSED: Failure = {
  kind: "handshake",
  wasSent: false,
  text: "server s0 refused SELECT 9",
  reply: Buffer.from("-ERR DB index is out of range\r\n"),
};
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
        variant,
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
    expect(rig.leases.map(({ upstream }) => upstream.index)).toEqual([0, 1]);
    rig.leases[1]!.isReady(null);
    expect(await rig.heard()).toBe("+OK\r\n");
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
    rig.ask("SELECT", "1");
    const { variant } = rig.leases[0]!;
    rig.session.close();
    expect(rig.leases[0]!.fate).toBe("unclean");
    // Its number is free for others then: the next client that wants something else gets it.
    rig.pool.variants.sweep(1, () => true);
    const other = { version: 2, database: 2, user: null, password: null } as const;
    expect(rig.pool.variants.hold(other)).toBe(variant);
  });
});

describe("AUTH", () => {
  test("asks a server each time, over connections for nothing else", async () => {
    const rig = createIdentityRig();
    for (let i = 0; i < 3; i++) {
      rig.ask("AUTH", "bob", "pw");
      await rig.turn();
      const lease = rig.leases[i]!;
      lease.isReady(null);
      expect(lease.requests).toEqual([["AUTH", "bob", "pw"]]);
      lease.answer();
      await rig.turn();
      expect(lease.fate).toBe("clean");
    }
    expect(new Set(rig.leases.map(({ variant }) => variant)).size).toBe(1);
    expect(await rig.heard()).toBe("+OK\r\n".repeat(3));
  });

  test("a reply that never comes is an error, and lets nobody in", async () => {
    const rig = createIdentityRig({ needsPassword: true });
    rig.ask("AUTH", "pw");
    rig.leases[0]!.isReady(null);
    rig.leases[0]!.expire();
    rig.ask("GET", "v0");
    expect(await rig.heard()).toBe("-ERR too late\r\n-NOAUTH Authentication required.\r\n");
    expect(rig.leases[0]!.fate).toBe("unclean");
    expect(rig.connections[0]!.requests.length).toBe(0);
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
