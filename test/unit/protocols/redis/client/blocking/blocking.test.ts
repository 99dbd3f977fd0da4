/** Blocking commands: over a connection of their own, and on their way to another process. */

import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync } from "node:fs";
import { connectionKind, type Upstream } from "../../../../../../src/api/upstream.ts";
import { BLOCKED_INPUT_BYTES_MAX } from "../../../../../../src/base/limits.ts";
import type { Block } from "../../../../../../src/protocols/redis/client/blocking/block.ts";
import type { SavedBlock } from "../../../../../../src/protocols/redis/client/blocking/client-block.ts";
import type { SavedRedisClient } from "../../../../../../src/protocols/redis/client/client-state.ts";
import type { RedisFrontend } from "../../../../../../src/protocols/redis/client/redis-frontend.ts";
import type { LeasePool } from "../../../../../../src/server/lease-pool.ts";
import { createRig, multibulk, type Rig } from "../../../../client/session-rig.ts";
import { createLeaseRig, type LeaseRig } from "../../../../server/lease-rig.ts";
import { type FakeSocket, RecordingSink } from "../../../../server/upstream-rig.ts";

const CLIENT_ID = multibulk(["CLIENT", "ID"]);
const BLPOP = multibulk(["BLPOP", "v0", "0"]);
const POPPED = "*2\r\n$2\r\nv0\r\n$1\r\nx\r\n";

interface BlockingRig extends Rig {
  readonly leases: LeaseRig[];
  readonly frontend: RedisFrontend;
}

type Options = NonNullable<Parameters<typeof createRig>[0]>;

function createBlockingRig(options: Options = {}): BlockingRig {
  const leases: LeaseRig[] = [];
  const poolOf = (upstream: Upstream): LeasePool => {
    leases[upstream.id] ??= createLeaseRig({ upstream });
    return leases[upstream.id]!.pool;
  };
  const rig = createRig({
    servers: 2,
    lend: (upstream, variant) => poolOf(upstream).lease(connectionKind(variant), "10.0.0.1"),
    adopt: (upstream, fd, variant) =>
      poolOf(upstream).adopt(fd, connectionKind(variant), "10.0.0.1"),
    ...options,
  });
  return { ...rig, leases, frontend: rig.session.frontend as RedisFrontend };
}

function blockOf({ frontend }: BlockingRig): Block {
  return frontend.features.block as Block;
}

/** A client in `BLPOP v0 0`, whose connection is known to its server as 77. */
async function blocked(options: Options = {}): Promise<{ rig: BlockingRig; socket: FakeSocket }> {
  const rig = createBlockingRig(options);
  rig.ask("BLPOP", "v0", "0");
  await rig.settle();
  const socket = await rig.leases[0]!.opened();
  socket.says(":77\r\n");
  return { rig, socket };
}

function shared(rig: Rig): string[] {
  return rig.connections.flatMap(({ requests }) => requests.map((args) => args.join(" ")));
}

describe("a blocking command", () => {
  test("goes over a connection of its own, which the next one uses again", async () => {
    const { rig, socket } = await blocked();
    expect(socket.received).toBe(CLIENT_ID + BLPOP);
    rig.input(multibulk(["GET", "v1"]), multibulk(["BLPOP", "v0", "0"]));
    await rig.settle();
    expect([shared(rig), rig.stream.output]).toEqual([[], ""]);
    socket.says(POPPED);
    await rig.settle();
    expect(shared(rig)).toEqual(["GET v1"]);
    expect(socket.received).toBe(CLIENT_ID + BLPOP + BLPOP);
    socket.says(POPPED);
    await rig.settle();
    expect(rig.stream.output).toBe(`${POPPED}$4\r\n<v1>\r\n${POPPED}`);
    expect(rig.leases[0]!.limit.lent).toBe(1);
  });

  test("waits for the replies before it", async () => {
    const rig = createBlockingRig();
    rig.input(multibulk(["GET", "v1"]), BLPOP);
    await rig.turn();
    expect(rig.leases).toEqual([]);
    rig.connections[1]!.answer();
    await rig.turn();
    expect(rig.leases[0]!.attempts).toHaveLength(1);
  });

  test("is over when its client leaves, and so is its connection", async () => {
    for (const leave of ["end", "close"] as const) {
      const { rig, socket } = await blocked();
      if (leave === "close") rig.stream.close();
      else {
        rig.session.onEnd();
        expect(socket.isClosed).toBe(false);
        rig.timers.at(-1)!();
      }
      expect([rig.closed(), socket.isClosed, rig.leases[0]!.limit.lent]).toEqual([true, true, 0]);
    }
  });

  test("a client that has sent its last word reads what is to be had without waiting", async () => {
    const rig = createBlockingRig();
    rig.input(multibulk(["GET", "v1"]), BLPOP, multibulk(["GET", "v2"]));
    rig.session.onEnd();
    await rig.settle();
    const socket = await rig.leases[0]!.opened();
    socket.says(`:77\r\n${POPPED}`);
    await rig.settle();
    expect(rig.stream.output).toBe(`$4\r\n<v1>\r\n${POPPED}$4\r\n<v2>\r\n`);
    for (const timer of rig.timers) timer();
    expect([rig.closed(), socket.isClosed]).toEqual([true, false]);
  });

  test("a client that has sent its last word and would wait is closed", async () => {
    const rig = createBlockingRig();
    rig.input(multibulk(["GET", "v1"]), BLPOP);
    rig.session.onEnd();
    await rig.settle();
    const socket = await rig.leases[0]!.opened();
    expect(rig.closed()).toBe(false);
    for (const timer of rig.timers) timer();
    expect([rig.closed(), socket.isClosed]).toEqual([true, true]);
  });

  test("its client is watched, until it has sent too much", async () => {
    const { rig, socket } = await blocked();
    rig.ask("GET", "v1");
    await rig.turn();
    expect(rig.stream.isPaused).toBe(false);
    rig.ask("GET", `${"-".repeat(BLOCKED_INPUT_BYTES_MAX)}v1`);
    await rig.turn();
    expect(rig.stream.isPaused).toBe(true);
    socket.says(POPPED);
    await rig.settle();
    expect(rig.stream.isPaused).toBe(false);
    expect(shared(rig)).toHaveLength(2);
  });

  test("says so when no connection can be had, or it is lost", async () => {
    const none = createRig({ servers: 2 });
    none.input(BLPOP);
    await none.settle();
    expect(none.stream.output).toStartWith("-ERR 'BLPOP' cannot have a connection of its own: ");
    const down = createBlockingRig();
    down.connections[0]!.refusal = { kind: "refused", wasSent: false, text: "it is down" };
    down.input(BLPOP);
    await down.settle();
    expect([down.stream.output, down.leases]).toEqual(["-ERR it is down\r\n", []]);
    const { rig, socket } = await blocked();
    socket.hangsUp();
    await rig.settle();
    expect(rig.stream.output).toMatch(/^-ERR Connection reset by peer .* may or may not have been/);
    expect([rig.frontend.features.block, rig.closed()]).toEqual([null, false]);
  });

  test("its keys must be on one server", async () => {
    const rig = createBlockingRig();
    rig.ask("BLPOP", "v0", "v1", "0");
    rig.ask("BLMOVE", "v0", "v1", "LEFT", "LEFT", "0");
    await rig.settle();
    expect(rig.stream.output).toMatch(
      /^-CROSSSLOT Keys of 'BLPOP'.*\r\n-CROSSSLOT Keys of 'BLMOVE'/,
    );
  });

  const reads: [boolean, string][] = [
    [true, "XREAD BLOCK 0 STREAMS v0 $"],
    [true, "XREAD COUNT 3 BLOCK 0 STREAMS v0 $"],
    [true, "XREADGROUP GROUP g c BLOCK 0 STREAMS v0 >"],
    [true, "XREADGROUP BLOCK 0 NOACK GROUP g c STREAMS v0 >"],
    [false, "XREAD STREAMS v0 $"],
    [false, "XREAD COUNT 3 STREAMS v0 BLOCK $ $"],
    [false, "XREADGROUP GROUP BLOCK BLOCK COUNT 1 NOACK STREAMS v0 >"],
  ];
  test.each(reads)("may wait: %p: %s", async (mayWait, request) => {
    const rig = createBlockingRig();
    // Whatever the key.
    rig.ask(...request.replace("BLOCK $ $", "BLOCK0 $ $").split(" "));
    await rig.turn();
    expect(rig.leases.length > 0).toBe(mayWait);
    expect(shared(rig).length > 0).toBe(!mayWait);
  });
});

describe("CLIENT UNBLOCK", () => {
  test("asks the server, over a connection that does not wait", async () => {
    const { rig } = await blocked();
    const sink = new RecordingSink();
    expect(blockOf(rig).unblock("ERROR", sink, 3)).toBe(true);
    expect(shared(rig)).toEqual(["CLIENT UNBLOCK 77 ERROR"]);
  });

  test("that comes too late ends nobody else's wait", async () => {
    for (const isElsewhere of [true, false]) {
      const { rig, socket } = await blocked();
      let id: number | undefined;
      if (!isElsewhere) blockOf(rig).unblock("ERROR", new RecordingSink(), 3);
      else rig.pool.directory.whereBlocked(rig.frontend.state.id, (place) => (id = place?.id));
      expect(id).toBe(isElsewhere ? 77 : undefined);
      socket.says(POPPED);
      await rig.settle();
      expect(rig.stream.output).toBe(POPPED);
      expect([socket.isClosed, rig.leases[0]!.limit.lent]).toEqual([true, 0]);
    }
  });

  test("waits until it is known whom to name", async () => {
    const rig = createBlockingRig();
    rig.input(BLPOP);
    await rig.settle();
    const sink = new RecordingSink();
    expect(blockOf(rig).unblock("TIMEOUT", sink, 3)).toBe(true);
    const socket = await rig.leases[0]!.opened();
    expect(shared(rig)).toEqual([]);
    socket.says(":78\r\n");
    expect(shared(rig)).toEqual(["CLIENT UNBLOCK 78 TIMEOUT"]);
  });

  test("tells that nobody was blocked when the wait ends first", async () => {
    const rig = createBlockingRig();
    rig.input(BLPOP);
    await rig.settle();
    const sink = new RecordingSink();
    blockOf(rig).unblock("TIMEOUT", sink, 3);
    rig.stream.close();
    expect(sink.settled.get(3)).toBe(":0\r\n");
  });

  test("cannot be had from a server that does not tell", async () => {
    const rig = createBlockingRig();
    rig.input(BLPOP);
    await rig.settle();
    const socket = await rig.leases[0]!.opened();
    socket.says("-NOPERM no\r\n");
    expect(blockOf(rig).unblock("TIMEOUT", new RecordingSink(), 3)).toBe(false);
    socket.says(POPPED);
    await rig.settle();
    expect(rig.stream.output).toBe(POPPED);
  });
});

describe("a blocked client that moves", () => {
  const fds: number[] = [];

  afterEach(() => {
    for (const fd of fds.splice(0)) closeSync(fd);
  });

  /** What its receiver makes of it. */
  async function moved(
    change: (saved: SavedRedisClient) => SavedRedisClient = (saved) => saved,
  ): Promise<{ from: BlockingRig; to: BlockingRig }> {
    const { rig: from, socket } = await blocked();
    let isReady = false;
    from.stream.room = 0;
    from.session.push(Buffer.from("+unsent\r\n"), 0, 9);
    from.session.move.begin(() => {
      isReady = true;
    });
    from.input(multibulk(["GET", "v1"]));
    await from.turn();
    expect(isReady).toBe(true);
    const saved = from.session.move.save();
    expect(saved.descriptors).toEqual([socket.fd]);
    from.session.move.leave();
    expect([socket.isDetached, from.leases[0]!.limit.lent]).toEqual([true, 0]);
    const state = change(JSON.parse(JSON.stringify(saved.client)));
    const fd = openSync("/dev/null", "r");
    fds.push(fd);
    const to = createBlockingRig({ state, descriptors: [fd], output: saved.output });
    if (saved.input.length > 0) to.receive(saved.input);
    await to.turn();
    return { from, to };
  }

  test("goes on waiting, and nothing is lost, doubled or out of order", async () => {
    const { to } = await moved();
    expect(to.stream.output).toBe("+unsent\r\n");
    expect([to.session.isReadyToMove, to.frontend.needsFormat]).toEqual([false, 2]);
    const socket = to.leases[0]!.adoptions[0]!.opens()!;
    expect([to.session.isReadyToMove, to.frontend.prefersToStay]).toEqual([true, true]);
    expect(shared(to)).toEqual([]);
    socket.says(POPPED.substring(0, 7));
    expect(to.session.isReadyToMove).toBe(false);
    socket.says(POPPED.substring(7));
    await to.settle();
    expect(to.stream.output).toBe(`+unsent\r\n${POPPED}$4\r\n<v1>\r\n`);
    expect(socket.received).toBe("");
    expect([to.frontend.needsFormat, to.frontend.prefersToStay]).toEqual([1, false]);
    // It is not known from whom else it comes.
    expect([socket.isClosed, to.leases[0]!.limit.lent]).toEqual([true, 0]);
  });

  test("may be unblocked as before", async () => {
    const { to } = await moved();
    to.leases[0]!.adoptions[0]!.opens();
    expect(blockOf(to).unblock("TIMEOUT", new RecordingSink(), 1)).toBe(true);
    expect(shared(to)).toEqual(["CLIENT UNBLOCK 77 TIMEOUT"]);
  });

  test("leaves: its connection is closed, wherever that is", async () => {
    const { to } = await moved();
    const socket = to.leases[0]!.adoptions[0]!.opens()!;
    to.stream.close();
    expect(socket.isClosed).toBe(true);
  });

  test("is told when its server is gone, or is elsewhere now", async () => {
    // Programs of an earlier version name no member.
    const changes = [
      { member: "gone" },
      { member: undefined, server: "gone" },
      { member: undefined, address: "gone" },
    ];
    for (const change of changes) {
      const { to } = await moved((saved) => {
        const block = { ...saved.connections!.block!, ...change } as SavedBlock;
        return { ...saved, connections: { block } };
      });
      await to.settle();
      expect(to.stream.output).toMatch(
        /^\+unsent\r\n-ERR Connection reset by peer .* may or may not have been executed\)\r\n\$4\r\n<v1>\r\n$/,
      );
      expect(() => fstatSync(fds[0]!)).toThrow("EBADF");
      fds.length = 0;
    }
  });

  test("is told when its key is on another server now, unless it was served at the last moment", async () => {
    for (const isServed of [true, false]) {
      const { to } = await moved((saved) => {
        const block = { ...saved.connections!.block!, keys: ["v1"] };
        return { ...saved, connections: { block } };
      });
      expect(shared(to)).toContain("CLIENT UNBLOCK 77 ERROR");
      const socket = to.leases[0]!.adoptions[0]!.opens()!;
      socket.says(isServed ? POPPED : "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
      await to.settle();
      const reply = isServed
        ? /\*2\r\n/
        : /-UNBLOCKED the servers of this pool have changed, [^\r]*\r\n/;
      expect(to.stream.output).toMatch(reply);
    }
  });

  test("the same when a server leaves the ring, or comes back", async () => {
    const { rig, socket } = await blocked();
    rig.frontend.onRouteChange();
    expect(shared(rig)).toEqual([]);
    (rig.frontend.features.block as unknown as { keys: string[] }).keys = ["v1"];
    rig.frontend.onRouteChange();
    rig.frontend.onRouteChange();
    expect(shared(rig)).toEqual(["CLIENT UNBLOCK 77 ERROR"]);
    rig.connections[0]!.refusal = null;
    const { sink, token } = rig.connections[0]!.waiting[0]!;
    sink.onFailure(token, 1, { kind: "closed", wasSent: true, text: "" });
    await rig.settle();
    expect(rig.stream.output).toMatch(/^-UNBLOCKED .*may or may not have been executed\r\n$/);
    expect(socket.isClosed).toBe(true);
  });
});
