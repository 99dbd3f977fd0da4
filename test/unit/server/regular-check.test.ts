/** A busy connection, on which no request is ever late, is asked now and then whether its replies are in step. */
import { describe, expect, test } from "bun:test";
import { createMemcacheTextUpstream } from "../../../src/protocols/memcache/codec/text/upstream-protocol.ts";
import { createLeaseRig } from "./lease-rig.ts";
import {
  answersTo,
  type ConnectionRig,
  createConnectionRig,
  type FakeSocket,
  GET,
  questionsIn,
  RecordingSink,
  stepAnswer,
} from "./upstream-rig.ts";

/** What the server answers to all requests that it has received, in order. */
type Server = (received: string) => string[];

const SOUND: Server = (received) => answersTo(received, () => "+v\r\n");

/** Traffic in which there is always a request on its way. */
class Traffic {
  readonly rig: ConnectionRig;
  readonly server: Server;
  socket: FakeSocket;
  private answered = 0;
  private token = 0;

  private constructor(rig: ConnectionRig, server: Server, socket: FakeSocket) {
    this.rig = rig;
    this.server = server;
    this.socket = socket;
  }

  static async start(server: Server = SOUND, options = {}): Promise<Traffic> {
    const rig = createConnectionRig({ timeoutMs: 1000, ...options });
    rig.get(-1);
    return new Traffic(rig, server, await rig.opened());
  }

  /** `rounds` times: one more request is sent, and all that came before it is answered, 100 ms later, while the connection stands. */
  async go(rounds: number): Promise<void> {
    const { rig, socket } = this;
    for (let i = 0; i < rounds && !socket.isClosed; i++) {
      rig.get(this.token++);
      await rig.endTurn();
      rig.deadlines.reach(rig.turn.atMs + 100);
      const answers = this.server(socket.received);
      while (this.answered < answers.length - 1 && !socket.isClosed) {
        socket.says(answers[this.answered++]!);
      }
      await rig.endTurn();
    }
  }

  /** Until so many questions were asked. The last one is not answered yet. */
  async untilAsked(count: number): Promise<void> {
    for (let i = 0; i < 30 && this.asked.length < count; i++) await this.go(1);
    expect(this.asked.length).toBe(count);
  }

  /** The connection was lost and is made anew. */
  async reopen(): Promise<void> {
    this.rig.get(this.token++);
    this.socket = await this.rig.opened();
    this.answered = 0;
  }

  /** Kinds of the questions that were asked over the connection that stands. */
  get asked(): string[] {
    return [...this.socket.received.matchAll(/(ECHO\r\n\S+\r\n)?STEP-CHECK-/g)].map(([what]) =>
      what.startsWith("ECHO") ? "echo" : "sure",
    );
  }
}

/** Loses its third reply. */
function forgetful(server: Server): Server {
  return (received) => server(received).filter((_, index) => index !== 2);
}

/** Gives `replies` to the first ECHOs that it gets, and does not know the other question either if not `isSure`. */
function refusing(replies: readonly string[], isSure = true): Server {
  return (received) => {
    const left = [...replies];
    return SOUND(received).map((answer) => {
      if (answer.startsWith("$")) return left.shift() ?? answer;
      return answer.startsWith("-") && !isSure ? "-ERR no\r\n" : answer;
    });
  };
}

describe("a connection whose requests never cease", () => {
  test("is asked once a second, and goes on", async () => {
    const traffic = await Traffic.start();
    await traffic.go(55);
    expect(traffic.asked).toEqual(["echo", "echo", "echo", "echo", "echo"]);
    expect(traffic.socket.isClosed).toBe(false);
    expect(traffic.rig.sink.failures.size).toBe(0);
    expect(traffic.rig.sink.settled.size).toBe(55);
  });

  test("ends within a second or two of a lost reply", async () => {
    const traffic = await Traffic.start(forgetful(SOUND));
    const { rig, socket } = traffic;
    await traffic.go(20);
    expect(socket.isClosed).toBe(true);
    expect(rig.heard).toMatchObject({ trouble: 1, outOfStep: 1 });
    expect([...rig.sink.failures.values()].at(-1)!.text).toContain("got lost");
    // No answer to a question went to a client.
    expect([...rig.sink.settled.values()].filter((what) => what.includes("STEP"))).toEqual([]);
    await traffic.reopen();
    expect(traffic.socket.isClosed).toBe(false);
  });

  test("ends when one reply too many came", async () => {
    const twice: Server = (received) => {
      const answers = SOUND(received);
      return answers.toSpliced(2, 0, answers[2] ?? "");
    };
    const traffic = await Traffic.start(twice);
    traffic.rig.get(1000);
    await traffic.go(20);
    expect([traffic.socket.isClosed, traffic.rig.heard.outOfStep]).toEqual([true, 1]);
  });

  test("is found out without a limit of time, too", async () => {
    const rig = createConnectionRig({ timeoutMs: null });
    rig.get(0);
    const socket = await rig.opened();
    // Its reply is lost, and the next one comes much later.
    rig.turn.atMs += 60_000;
    rig.get(1);
    await rig.endTurn();
    socket.says("+v\r\n");
    await rig.endTurn();
    expect(questionsIn(socket.received)).toBe(1);
    socket.says(stepAnswer(socket));
    expect([socket.isClosed, rig.sink.settled.get(1)]).toEqual([true, "timeout sent"]);
  });

  test("to a memcached server is asked, too", async () => {
    const memcached: Server = (received) =>
      [...received.matchAll(/GET|version/g)].map(([request]) =>
        request === "GET" ? "STORED\r\n" : "VERSION 1.6.18\r\n",
      );
    const protocol = createMemcacheTextUpstream();
    const sound = await Traffic.start(memcached, { protocol });
    await sound.go(30);
    expect([sound.socket.isClosed, sound.rig.sink.failures.size]).toEqual([false, 0]);
    const traffic = await Traffic.start(forgetful(memcached), { protocol });
    await traffic.go(20);
    expect([traffic.socket.isClosed, traffic.rig.heard.outOfStep]).toEqual([true, 1]);
  });
});

describe("a server that refuses ECHO", () => {
  const NOPERM = Array.from({ length: 9 }, () => "-NOPERM no permissions\r\n");

  test("to the user is asked for a command that does not exist", async () => {
    const traffic = await Traffic.start(refusing(NOPERM));
    await traffic.go(42);
    expect(traffic.asked).toEqual(["echo", "sure", "sure", "sure", "sure"]);
    expect([traffic.socket.isClosed, traffic.rig.sink.failures.size]).toEqual([false, 0]);
  });

  test("and loses a reply is found out as well", async () => {
    const traffic = await Traffic.start(forgetful(refusing(NOPERM)));
    await traffic.go(25);
    expect([traffic.socket.isClosed, traffic.rig.heard.outOfStep]).toEqual([true, 1]);
  });

  test("for a while is asked ECHO again", async () => {
    const traffic = await Traffic.start(refusing(["-BUSY a script\r\n", "-LOADING\r\n"]));
    await traffic.go(55);
    expect(traffic.asked).toEqual(["echo", "sure", "echo", "sure", "echo", "echo", "echo"]);
    expect([traffic.socket.isClosed, traffic.rig.sink.failures.size]).toEqual([false, 0]);
  });

  test("and the other question, too, is left alone until the connection is made anew", async () => {
    const traffic = await Traffic.start(refusing(NOPERM, false));
    await traffic.go(60);
    expect(traffic.asked).toEqual(["echo", "sure"]);
    expect([traffic.socket.isClosed, traffic.rig.sink.failures.size]).toEqual([false, 0]);
    traffic.socket.hangsUp();
    await traffic.reopen();
    await traffic.go(60);
    expect(traffic.asked).toEqual(["echo", "sure"]);
  });

  test("by hanging up is not asked again", async () => {
    const traffic = await Traffic.start();
    await traffic.untilAsked(1);
    traffic.socket.hangsUp();
    await traffic.reopen();
    await traffic.go(60);
    expect([traffic.asked, traffic.socket.isClosed]).toEqual([[], false]);
  });

  test("by saying something else is not asked again", async () => {
    const traffic = await Traffic.start(refusing(["+OK\r\n"]));
    await traffic.go(60);
    expect([traffic.asked, traffic.socket.isClosed]).toEqual([["echo"], true]);
    await traffic.reopen();
    await traffic.go(60);
    expect([traffic.asked, traffic.socket.isClosed]).toEqual([[], false]);
  });

  test("once, having answered before, is asked again on the next connection", async () => {
    const traffic = await Traffic.start();
    await traffic.go(15);
    await traffic.untilAsked(2);
    traffic.socket.hangsUp();
    await traffic.reopen();
    await traffic.go(15);
    expect(traffic.asked).toEqual(["echo"]);
  });
});

describe("no question is asked", () => {
  test("with little traffic", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    for (let i = 1; i < 10; i++) {
      socket.says("+v\r\n");
      rig.turn.atMs += 1500;
      rig.get(i);
      await rig.endTurn();
    }
    expect(questionsIn(socket.received)).toBe(0);
  });

  test("on a connection that one client has for itself", async () => {
    const rig = createLeaseRig({ timeoutMs: 400 });
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    for (let i = 0; i < 30; i++) {
      lease.send(GET, 0, GET.length, sink, i, 1);
      await rig.endTurn();
      rig.turn.atMs += 100;
      socket.says("+v\r\n");
    }
    expect(questionsIn(socket.received)).toBe(0);
  });
});
