import { describe, expect, test } from "bun:test";
import type { Failure } from "../../../../../../src/api/upstream.ts";
import { type AnswerOf, createRig, failureOf, type Rig } from "../../../../client/session-rig.ts";

const REFUSED: Failure = {
  kind: "refused",
  wasSent: false,
  text: "Connection refused (server s1)",
};

/** Asks three servers, which answer as `answerOf` says, and returns what the client got. */
async function reply(answerOf: AnswerOf, ...args: string[]): Promise<string> {
  const rig = createRig({ servers: 3, answerOf });
  rig.ask(...args);
  await rig.settle();
  return rig.stream.output;
}

function requestsOf(rig: Rig): string[] {
  return rig.connections.map(({ requests }) => requests.map((args) => args.join(" ")).join(","));
}

describe("one request to every server, one reply to the client", () => {
  test("KEYS: one array after the other", async () => {
    const keys = await reply((_, server) => `*1\r\n$2\r\nk${server}\r\n`, "KEYS", "*");
    expect(keys).toBe("*3\r\n$2\r\nk0\r\n$2\r\nk1\r\n$2\r\nk2\r\n");
  });

  test("DBSIZE: the sum", async () => {
    expect(await reply((_, server) => `:${server + 1}\r\n`, "DBSIZE")).toBe(":6\r\n");
  });

  test("FLUSHALL: OK if all did it", async () => {
    const rig = createRig({ servers: 3, answerOf: () => "+OK\r\n" });
    rig.ask("FLUSHALL", "ASYNC");
    await rig.settle();
    expect(rig.stream.output).toBe("+OK\r\n");
    expect(requestsOf(rig)).toEqual(["FLUSHALL ASYNC", "FLUSHALL ASYNC", "FLUSHALL ASYNC"]);
  });

  test("an error that all give is given as it is", async () => {
    expect(await reply(() => "-ERR syntax error\r\n", "FLUSHALL", "NOW")).toBe(
      "-ERR syntax error\r\n",
    );
  });

  test("an error of one says where, and what the others did", async () => {
    const answerOf: AnswerOf = (_, server) => (server === 1 ? "-OOM no\r\n" : "+OK\r\n");
    expect(await reply(answerOf, "FLUSHALL")).toBe(
      "-OOM no (server s1; 2 of 3 servers executed 'FLUSHALL')\r\n",
    );
  });

  test("a server that is lost on the way makes the reply an error", async () => {
    const answerOf: AnswerOf = (_, server) => (server === 2 ? null : "+OK\r\n");
    expect(await reply(answerOf, "FLUSHALL")).toBe(
      `-ERR ${failureOf(2).text} (server s2; 2 of 3 servers executed 'FLUSHALL')\r\n`,
    );
    expect(await reply((_, server) => (server === 2 ? null : ":1\r\n"), "DBSIZE")).toBe(
      `-ERR ${failureOf(2).text}\r\n`,
    );
  });

  test("replies that do not fit are an error", async () => {
    expect(await reply((_, server) => (server === 0 ? "+OK\r\n" : ":1\r\n"), "DBSIZE")).toContain(
      "-ERR Invalid argument",
    );
  });
});

test("with a server that cannot be asked nothing is sent at all", async () => {
  const rig = createRig({ servers: 3, answerOf: () => "+OK\r\n" });
  rig.connections[1]!.refusal = REFUSED;
  rig.ask("FLUSHALL");
  await rig.settle();
  expect(rig.stream.output).toBe(
    "-ERR Connection refused (server s1); all servers are needed, none was asked\r\n",
  );
  expect(requestsOf(rig)).toEqual(["", "", ""]);
});

test("order holds on every connection and towards the client", async () => {
  const rig = createRig({ servers: 3, answerOf: (args) => `+${args[0]}\r\n` });
  rig.ask("SET", "a1", "x");
  rig.ask("FLUSHALL");
  rig.ask("SET", "b1", "x");
  rig.ask("SET", "b2", "x");
  await rig.turn();
  rig.connections[1]!.answer();
  await rig.turn();
  expect(rig.stream.output).toBe("+SET\r\n");
  await rig.settle();
  expect(rig.stream.output).toBe("+SET\r\n+FLUSHALL\r\n+SET\r\n+SET\r\n");
  expect(requestsOf(rig)).toEqual(["FLUSHALL", "SET a1 x,FLUSHALL,SET b1 x", "FLUSHALL,SET b2 x"]);
});

test("a full connection makes the client wait, and nothing is sent twice", async () => {
  const rig = createRig({ servers: 3, answerOf: () => ":1\r\n" });
  rig.connections[2]!.isFull = true;
  rig.ask("DBSIZE");
  await rig.turn();
  expect(requestsOf(rig)).toEqual(["", "", ""]);
  rig.connections[2]!.makeRoom();
  await rig.settle();
  expect(rig.stream.output).toBe(":3\r\n");
  expect(requestsOf(rig)).toEqual(["DBSIZE", "DBSIZE", "DBSIZE"]);
});

test("a client that leaves meanwhile disturbs nobody", async () => {
  const rig = createRig({ servers: 3, answerOf: () => ":1\r\n" });
  rig.ask("DBSIZE");
  await rig.turn();
  rig.session.close();
  await rig.settle();
  expect(rig.stream.output).toBe("");
});

test("over one server the reply is the server's own, byte for byte", async () => {
  const rig = createRig({ servers: 1, answerOf: () => "*-1\r\n" });
  rig.ask("KEYS", "*");
  await rig.settle();
  expect(rig.stream.output).toBe("*-1\r\n");
});

describe("commands for any server", () => {
  test("a server that does not answer is passed over", async () => {
    const rig = createRig({ servers: 3, answerOf: (_, server) => `:${server}\r\n` });
    rig.connections[0]!.refusal = REFUSED;
    rig.ask("TIME");
    await rig.settle();
    expect(rig.stream.output).toBe(":1\r\n");
  });

  test("what is about a single server is refused over several", async () => {
    expect(await reply(() => "+OK\r\n", "MEMORY", "STATS")).toBe(
      "-ERR 'MEMORY STATS' is about a single server; connect to the one you mean directly\r\n",
    );
  });
});
