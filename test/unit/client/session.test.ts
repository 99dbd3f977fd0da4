import { describe, expect, test } from "bun:test";
import { KIND } from "../../../src/api/protocol.ts";
import { POOL } from "../../../src/api/stats.ts";
import {
  REPLY_WINDOW_HEAVY,
  REPLY_WINDOW_MAX,
  REPLY_WINDOW_START,
  SESSION_OUTPUT_HIGH_BYTES,
  SESSION_OUTPUT_LOW_BYTES,
} from "../../../src/base/limits.ts";
import { answerTo, createRig, multibulk, serverOf } from "./session-rig.ts";

describe("Session", () => {
  test("a split request with thousands of keys, in many chunks, reaches the right servers whole", async () => {
    for (const size of [3000, 65_536]) {
      const rig = createRig();
      const keys = Array.from({ length: 9000 }, (_, i) => `v${i}`);
      const text = multibulk(["MGET", ...keys]);
      for (let at = 0; at < text.length; at += size) rig.input(text.substring(at, at + size));
      await rig.settle();
      for (const [i, { requests }] of rig.connections.entries()) {
        const [request, ...further] = requests.map((each) => each.join(" "));
        const own = keys.filter((each) => serverOf(each, 3) === i);
        expect(request === `MGET ${own.join(" ")}`).toBe(true);
        expect(further).toEqual([]);
      }
      expect(rig.stream.output === answerTo(["MGET", ...keys], -1)).toBe(true);
    }
  });

  test("a server sees its requests in the client's order, split ones among them", () => {
    const rig = createRig({ servers: 2 });
    const commands = [
      ["SET", "v0", "1"],
      ["SET", "v2", "1"],
      ["DEL", "v0", "v1"],
      ["SET", "v0", "2"],
      ["MSET", "v1", "a", "v0", "b"],
      ["GET", "v0"],
    ];
    rig.input(commands.map(multibulk).join(""));
    expect(rig.connections[0]!.requests).toEqual([
      ["SET", "v0", "1"],
      ["SET", "v2", "1"],
      ["DEL", "v0"],
      ["SET", "v0", "2"],
      ["MSET", "v0", "b"],
      ["GET", "v0"],
    ]);
  });

  test("owes so many replies at most, and stops reading meanwhile", async () => {
    const rig = createRig({ servers: 1 });
    rig.input(multibulk(["GET", "v0"]).repeat(200));
    expect(rig.connections[0]!.waiting.length).toBe(REPLY_WINDOW_START);
    expect(rig.stream.isPaused).toBe(true);
    await rig.settle();
    expect(rig.connections[0]!.requests.length).toBe(200);
    expect(rig.stream.isPaused).toBe(false);
  });

  test("owes more to a client that uses it and reads, and little again to one that does not", async () => {
    const rig = createRig({
      servers: 1,
      answerOf: ([, key]) => `+${"v".repeat(key === "large0" ? 20_000 : 3)}\r\n`,
    });
    const { waiting } = rig.connections[0]!;
    rig.input(multibulk(["GET", "v0"]).repeat(4000));
    await rig.settle();
    rig.stream.room = 0;
    rig.input(multibulk(["GET", "large0"]).repeat(1000));
    expect(waiting.length).toBe(REPLY_WINDOW_MAX);
    rig.connections[0]!.answer();
    await rig.turn();
    // Some has room, the most is unread.
    rig.stream.room = rig.session.out.size - 1000;
    rig.session.onDrain();
    await rig.turn();
    expect(waiting.length).toBe(REPLY_WINDOW_HEAVY);
    rig.stream.room = Number.POSITIVE_INFINITY;
    rig.session.onDrain();
    await rig.settle();
    expect(rig.connections[0]!.requests.length).toBe(5000);
  });

  test("a client that never has many requests on their way does not get a wider window by and by", async () => {
    const rig = createRig({ servers: 1 });
    for (let i = 0; i < 500; i++) {
      rig.ask("GET", "v0");
      await rig.settle();
    }
    rig.input(multibulk(["GET", "v0"]).repeat(100));
    expect(rig.connections[0]!.waiting.length).toBe(REPLY_WINDOW_START);
    await rig.settle();
  });

  test("takes no requests from a client that does not read, until it does", async () => {
    const rig = createRig({ servers: 1 });
    rig.stream.room = 0;
    const large = "L".repeat(20_000);
    for (let i = 0; i < 200 && !rig.stream.isPaused; i++) {
      rig.input(multibulk(["ECHO", large]));
      await rig.turn();
    }
    expect(rig.stream.isPaused).toBe(true);
    const { out } = rig.session;
    expect(out.held).toBeGreaterThanOrEqual(SESSION_OUTPUT_HIGH_BYTES);
    expect(out.size).toBeGreaterThan(out.held / 2);
    expect(out.size).toBeLessThan(SESSION_OUTPUT_HIGH_BYTES + 2 * large.length);
    rig.stream.room = out.size - SESSION_OUTPUT_LOW_BYTES - 1;
    rig.session.onDrain();
    await rig.turn();
    expect(rig.stream.isPaused).toBe(true);
    rig.stream.room = 100;
    rig.session.onDrain();
    await rig.turn();
    expect(rig.stream.isPaused).toBe(false);
  });

  test("is read on while its window is full and nothing more of it has come", async () => {
    const rig = createRig({ servers: 1 });
    rig.input(multibulk(["GET", "v0"]).repeat(REPLY_WINDOW_START));
    expect([rig.session.mayTakeMore(), rig.stream.isPaused]).toEqual([false, false]);
    rig.input(multibulk(["GET", "v0"]));
    expect(rig.stream.isPaused).toBe(true);
    await rig.settle();
    expect([rig.stream.isPaused, rig.session.isIdle]).toEqual([false, true]);
  });

  test("cuts a client that leaves replies unread beyond the limit, and tells nobody else's sink", async () => {
    const rig = createRig({ servers: 1 });
    rig.stream.keepsOutput = false;
    rig.stream.room = 0;
    rig.input(multibulk(["GET", "v0"]).repeat(REPLY_WINDOW_START));
    // The same bytes again and again: they are queued by reference.
    const bytes = Buffer.alloc(200 * 1024 * 1024);
    const { waiting } = rig.connections[0]!;
    let given = 0;
    while (!rig.closed()) {
      const { sink, token } = waiting.shift()!;
      sink.onReplies(token, 1, bytes, 0, bytes.length, KIND.mixed);
      given++;
    }
    // 512 MB are allowed, and one reply on top.
    expect(given).toBe(4);
    expect(rig.counters[POOL.client_output_cut]).toBe(1);
    for (const { sink, token } of waiting)
      sink.onReplies(token, 1, bytes, 0, bytes.length, KIND.mixed);
    await rig.turn();
    expect(rig.session.out.size).toBe(0);
  });

  test("one reply of any size is allowed", () => {
    const rig = createRig({ servers: 1 });
    rig.stream.room = 0;
    rig.ask("GET", "v0");
    const bytes = Buffer.alloc(600 * 1024 * 1024);
    const { sink, token } = rig.connections[0]!.waiting[0]!;
    sink.onReplies(token, 1, bytes, 0, bytes.length, KIND.mixed);
    expect(rig.closed()).toBe(false);
  });

  test("waits for a full server connection, then goes on where it stopped", async () => {
    const rig = createRig({ servers: 2 });
    rig.connections[1]!.isFull = true;
    rig.input(["v0", "v1", "v2"].map((each) => multibulk(["GET", each])).join(""));
    expect(rig.connections.map(({ requests }) => requests.length)).toEqual([1, 0]);
    expect(rig.stream.isPaused).toBe(true);
    rig.connections[0]!.answer();
    await rig.turn();
    expect(rig.connections[0]!.requests.length).toBe(1);
    rig.connections[1]!.makeRoom();
    await rig.settle();
    expect(rig.stream.output).toBe("$4\r\n<v0>\r\n$4\r\n<v1>\r\n$4\r\n<v2>\r\n");
  });

  test("a refused connection fails its requests at once; of a split command nothing is sent then", async () => {
    const rig = createRig({ servers: 2 });
    rig.connections[1]!.refusal = { kind: "refused", wasSent: false, text: "Connection refused" };
    rig.ask("GET", "v1");
    rig.ask("MSET", "v0", "a", "v1", "b");
    rig.ask("GET", "v0");
    await rig.settle();
    expect(rig.connections[0]!.requests).toEqual([["GET", "v0"]]);
    const refused = "-ERR Connection refused\r\n";
    expect(rig.stream.output).toBe(`${refused}${refused}$4\r\n<v0>\r\n`);
    expect(rig.counters[POOL.forward_error]).toBe(2);
  });

  test("HELLO waits for what came before, because the next requests go elsewhere", async () => {
    const rig = createRig({ servers: 1 });
    rig.input(multibulk(["GET", "v0"]) + multibulk(["HELLO", "3"]) + multibulk(["GET", "v1"]));
    expect(rig.connections[0]!.requests.length).toBe(1);
    await rig.settle();
    expect(rig.stream.output).toMatch(/^\$4\r\n<v0>\r\n%7\r\n[\s\S]*\$4\r\n<v1>\r\n$/);
  });
});

describe("the end of a session", () => {
  test("QUIT: what came before is answered, what comes after is not, and the client closes", async () => {
    const rig = createRig({ servers: 1 });
    rig.input(multibulk(["GET", "v0"]) + multibulk(["QUIT"]) + multibulk(["GET", "v1"]));
    await rig.turn();
    expect(rig.stream.isShut).toBe(false);
    await rig.settle();
    expect(rig.stream.output).toBe("$4\r\n<v0>\r\n+OK\r\n");
    expect([rig.stream.isShut, rig.stream.isClosed]).toEqual([true, false]);
    rig.ask("GET", "v2");
    await rig.settle();
    expect(rig.connections[0]!.requests.length).toBe(1);
    rig.session.onEnd();
    expect([rig.stream.isClosed, rig.closed()]).toEqual([true, true]);
  });

  test("a client that stays after its last reply is closed by the clock", async () => {
    const rig = createRig({ servers: 1 });
    rig.input("*1\r\n:1\r\n");
    await rig.settle();
    expect(rig.stream.output).toBe("-ERR Protocol error: expected '$', got ':'\r\n");
    expect(rig.stream.isShut).toBe(true);
    expect(rig.timers.length).toBe(1);
    rig.timers[0]!();
    expect(rig.closed()).toBe(true);
    rig.timers[0]!();
  });

  test("a client that has sent all and closed its half gets every reply, also of requests held back", async () => {
    const rig = createRig({ servers: 1 });
    rig.input(multibulk(["GET", "v0"]).repeat(100));
    rig.session.onEnd();
    await rig.settle();
    expect(rig.stream.output).toBe("$4\r\n<v0>\r\n".repeat(100));
    expect([rig.stream.isShut, rig.stream.isClosed]).toEqual([false, true]);
    expect(rig.counters[POOL.client_eof]).toBe(1);
  });

  test("replies to a client that is gone are dropped", async () => {
    const rig = createRig({ servers: 2 });
    rig.input(["v0", "v1"].map((each) => multibulk(["GET", each])).join(""));
    rig.ask("MGET", "v0", "v1");
    rig.session.onClose("ECONNRESET");
    await rig.settle();
    expect(rig.stream.taken).toBe(0);
    expect(rig.session.out.size).toBe(0);
    expect(rig.counters[POOL.client_err]).toBe(1);
  });

  test("drain: an idle session ends at once, a busy one after its last reply, one with half a request waits", async () => {
    const idle = createRig();
    idle.session.drain();
    await idle.turn();
    // What it has just sent may still come: read, so that it resets nothing, and not answered.
    expect([idle.stream.isShut, idle.stream.isClosed]).toEqual([true, false]);
    idle.ask("GET", "v0");
    expect(idle.connections.flatMap(({ requests }) => requests)).toEqual([]);
    idle.session.onEnd();
    expect(idle.stream.isClosed).toBe(true);
    const busy = createRig();
    busy.ask("GET", "v0");
    busy.session.drain();
    expect(busy.stream.isShut).toBe(false);
    await busy.settle();
    expect(busy.stream.output).toBe("$4\r\n<v0>\r\n");
    expect(busy.stream.isShut).toBe(true);
    const half = createRig();
    half.input("*2\r\n$3\r\nGE");
    half.session.drain();
    await half.turn();
    expect(half.stream.isShut).toBe(false);
    half.input("T\r\n$2\r\nv0\r\n");
    await half.settle();
    expect(half.stream.output).toBe("$4\r\n<v0>\r\n");
    expect(half.stream.isShut).toBe(true);
  });

  test("a browser is hung up on", () => {
    const rig = createRig();
    rig.input("POST / HTTP/1.1\r\nHost: x\r\n\r\n*1\r\n$4\r\nPING\r\n");
    expect(rig.closed()).toBe(true);
    expect(rig.session.out.size).toBe(0);
  });
});

describe("a session that moves", () => {
  const get = (each: string): string => multibulk(["GET", each]);

  test("waits for the replies it owes; its successor goes on with the rest", async () => {
    const rig = createRig({ servers: 2 });
    rig.stream.room = 5;
    rig.ask("CLIENT", "SETNAME", "mover");
    rig.input(`${get("v0")}${get("v1")}`);
    let settled = 0;
    rig.session.move.begin(() => settled++);
    expect(rig.stream.isPaused).toBe(true);
    rig.input(`${get("v2")}*2\r\n$3\r\nGE`);
    await rig.turn();
    rig.connections[1]!.answer();
    await rig.turn();
    expect(settled).toBe(0);
    rig.connections[0]!.answer();
    await rig.turn();
    expect(settled).toBe(1);
    const saved = rig.session.move.save();
    rig.session.move.leave();
    expect([rig.stream.isDetached, rig.stream.isClosed, rig.closed()]).toEqual([true, false, true]);
    expect(saved.input.toString()).toBe(`${get("v2")}*2\r\n$3\r\nGE`);

    const state = JSON.parse(JSON.stringify(saved.client)) as never;
    const next = createRig({ servers: 2, state });
    next.session.inherit(saved.output);
    next.receive(saved.input);
    next.input(`T\r\n$2\r\nv3\r\n${multibulk(["CLIENT", "GETNAME"])}`);
    await next.settle();
    expect(rig.stream.output + next.stream.output).toBe(
      `+OK\r\n${["v0", "v1", "v2", "v3"].map((each) => `$4\r\n<${each}>\r\n`).join("")}$5\r\nmover\r\n`,
    );
  });

  test("and stays after all: takes what came meanwhile", async () => {
    const rig = createRig({ servers: 1 });
    rig.ask("GET", "v0");
    rig.session.move.begin(() => {
      throw new Error("it has been told to stay");
    });
    rig.input(get("v1"));
    rig.session.move.cancel();
    await rig.settle();
    expect(rig.stream.output).toBe("$4\r\n<v0>\r\n$4\r\n<v1>\r\n");
    expect(rig.stream.isPaused).toBe(false);
  });

  test("a session whose client has left or was told the end, or whose connection is bound to this process, cannot move", async () => {
    const ended = createRig();
    ended.session.onEnd();
    expect(ended.session.canMove).toBe(false);
    const bound = createRig();
    bound.stream.isMovable = false;
    expect(bound.session.canMove).toBe(false);
    const quit = createRig();
    quit.ask("QUIT");
    expect(quit.session.canMove).toBe(false);
  });
});
