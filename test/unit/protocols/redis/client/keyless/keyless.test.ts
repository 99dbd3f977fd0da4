/** SCAN, RANDOMKEY, SLOWLOG GET and INFO over several servers. */
import { describe, expect, spyOn, test } from "bun:test";
import type { Failure } from "../../../../../../src/api/upstream.ts";
import { type AnswerOf, createRig, failureOf, type Rig } from "../../../../client/session-rig.ts";

const REFUSED: Failure = {
  kind: "refused",
  wasSent: false,
  text: "Connection refused (server s1)",
};

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** The client's replies to requests that are sent one after the other. */
async function talk(rig: Rig, ...requests: string[][]): Promise<string[]> {
  const replies: string[] = [];
  for (const request of requests) {
    const before = rig.stream.output.length;
    rig.ask(...request);
    await rig.settle();
    replies.push(rig.stream.output.substring(before));
  }
  return replies;
}

describe("SCAN", () => {
  test("makes no number of digits without end", async () => {
    const rig = createRig({ servers: 3, answerOf: ([, cursor]) => `*2\r\n${bulk(cursor!)}*0\r\n` });
    const numbers = spyOn(globalThis, "BigInt");
    const nine = "9".repeat(50_000);
    const replies = await talk(
      rig,
      ["SCAN", nine],
      ["SCAN", `-${nine}`],
      ["SCAN", `${"0".repeat(50_000)}3`],
    );
    const lengths = numbers.mock.calls.map(([text]) => String(text).length);
    numbers.mockRestore();
    const invalid = "-ERR invalid cursor\r\n";
    expect(replies).toEqual([invalid, invalid, `*2\r\n${bulk("3")}*0\r\n`]);
    expect(Math.max(...lengths)).toBeLessThan(21);
  });

  /** Each server has one key and gives it at its second cursor, 40. */
  const answerOf: AnswerOf = ([name, cursor, ...options], server) => {
    if (name !== "SCAN") return "-ERR\r\n";
    if (options.join() !== "COUNT,7") return "-ERR options are lost\r\n";
    if (cursor === "0") return `*2\r\n${bulk("40")}*0\r\n`;
    if (cursor !== "40") return "-ERR strange cursor\r\n";
    return `*2\r\n${bulk("0")}*1\r\n${bulk(`k${server}`)}`;
  };

  test("walks one server after the other, and 0 is only the end", async () => {
    const rig = createRig({ servers: 3, answerOf });
    const seen: string[] = [];
    const cursors: string[] = [];
    let cursor = "0";
    do {
      const [reply = ""] = await talk(rig, ["SCAN", cursor, "COUNT", "7"]);
      const found = /^\*2\r\n\$\d+\r\n(\d+)\r\n\*\d\r\n(?:\$2\r\n(k\d)\r\n)?$/.exec(reply);
      if (found === null) throw new Error(reply);
      cursor = found[1]!;
      cursors.push(cursor);
      if (found[2] !== undefined) seen.push(found[2]);
    } while (cursor !== "0");
    expect(seen).toEqual(["k0", "k1", "k2"]);
    expect(cursors).toEqual(["120", "1", "121", "2", "122", "0"]);
  });

  test("a cursor that leaves no room is an error, not another cursor", async () => {
    const largest = `${2n ** 64n - 1n}`;
    const rig = createRig({ servers: 3, answerOf: () => `*2\r\n${bulk(largest)}*0\r\n` });
    expect((await talk(rig, ["SCAN", "0"]))[0]).toStartWith("-ERR ");
    const half = `${(2n ** 64n - 1n) / 3n}`;
    const other = createRig({ servers: 3, answerOf: () => `*2\r\n${bulk(half)}*0\r\n` });
    expect((await talk(other, ["SCAN", "0"]))[0]).toBe(`*2\r\n${bulk(largest)}*0\r\n`);
  });

  test("errors of the server, its loss and odd replies are told", async () => {
    const rig = createRig({
      servers: 2,
      answerOf: ([, cursor]) =>
        cursor === "1" ? null : cursor === "2" ? "+OK\r\n" : "-ERR no\r\n",
    });
    expect(await talk(rig, ["SCAN", "0"], ["SCAN", "2"], ["SCAN", "5"])).toEqual([
      "-ERR no\r\n",
      `-ERR ${failureOf(0).text}\r\n`,
      expect.stringContaining("-ERR Invalid argument"),
    ]);
    rig.connections[1]!.refusal = REFUSED;
    expect(await talk(rig, ["SCAN", "1"])).toEqual([`-ERR ${REFUSED.text}\r\n`]);
  });
});

describe("RANDOMKEY", () => {
  /** The sizes of three servers; a negative one: no key is found although there are so many. */
  function withSizes(...sizes: number[]): AnswerOf {
    return ([name], server) => {
      const size = sizes[server]!;
      if (name === "DBSIZE") return `:${Math.abs(size)}\r\n`;
      return size > 0 ? bulk(`k${server}`) : "$-1\r\n";
    };
  }

  test.each([
    [[0, 0, 0], "$-1\r\n"],
    [[0, 0, 1], bulk("k2")],
    [[5, 0, 0], bulk("k0")],
    // The rig's chance is always 0.5.
    [[1, 1, 1], bulk("k1")],
    [[100, 1, 1], bulk("k0")],
    [[1, 1, 100], bulk("k2")],
    [[1, -100, 1], bulk("k2")],
  ])("of %j keys", async (sizes, expected) => {
    const rig = createRig({ servers: 3, answerOf: withSizes(...sizes) });
    expect(await talk(rig, ["RANDOMKEY"])).toEqual([expected]);
  });

  test("is of the servers that answer, and an error when none does", async () => {
    const sizes = withSizes(1, 1, 1);
    const one = createRig({
      servers: 3,
      answerOf: (args, server) => (server === 1 ? null : sizes(args, server)),
    });
    expect(await talk(one, ["RANDOMKEY"])).toEqual([bulk("k2")]);
    const none = createRig({ servers: 3, answerOf: () => null });
    expect(await talk(none, ["RANDOMKEY"])).toEqual([`-ERR ${failureOf(0).text}\r\n`]);
  });
});

test("SLOWLOG GET gives the newest of all", async () => {
  const entry = (time: number): string => `*3\r\n:1\r\n:${time}\r\n:7\r\n`;
  const times = [[30, 10], [25, 20], []];
  const answerOf: AnswerOf = (_, server) =>
    `*${times[server]!.length}\r\n${times[server]!.map(entry).join("")}`;
  const rig = createRig({ servers: 3, answerOf });
  const [all, two, any] = await talk(
    rig,
    ["SLOWLOG", "GET"],
    ["SLOWLOG", "GET", "2"],
    ["SLOWLOG", "GET", "-1"],
  );
  expect(all).toBe(`*4\r\n${[30, 25, 20, 10].map(entry).join("")}`);
  expect(two).toBe(`*2\r\n${[30, 25].map(entry).join("")}`);
  expect(any).toBe(all!);
});

describe("INFO", () => {
  const answerOf: AnswerOf = () => bulk("# Clients\r\nconnected_clients:2\r\n");

  test("of the servers that are there, and which are not", async () => {
    const rig = createRig({ servers: 3, answerOf });
    rig.connections[1]!.refusal = REFUSED;
    const [text] = await talk(rig, ["INFO"]);
    expect(text).toContain("\r\nconnected_clients:4\r\n\r\n# Proxy\r\n");
    expect(text).toContain("\r\nproxy_servers:3\r\nproxy_servers_up:2\r\n");
    expect(text).toContain("\r\nproxy_server1:name=s1,state=down\r\n");
    expect(text).toContain("\r\nproxy_server2:name=s2,state=up\r\n");
    const [head] = /^\$\d+/.exec(text!)!;
    expect(Number(head.substring(1))).toBe(text!.length - head.length - 4);
  });

  test("a server that is lost on the way is left out", async () => {
    const rig = createRig({
      servers: 3,
      answerOf: (args, server) => (server === 0 ? null : answerOf(args, server)),
    });
    expect((await talk(rig, ["INFO"]))[0]).toContain("connected_clients:4\r\n");
  });

  test("without any server it is an error, but what is known of the proxy is told", async () => {
    const rig = createRig({ servers: 2, answerOf });
    for (const connection of rig.connections) connection.refusal = REFUSED;
    const [text, proxy] = await talk(rig, ["INFO"], ["INFO", "PROXY"]);
    expect(text).toBe(`-ERR ${REFUSED.text}\r\n`);
    expect(proxy).toContain("proxy_servers_up:0\r\n");
  });

  test("servers are asked for the sections that the client asked for", async () => {
    const rig = createRig({ servers: 2, answerOf });
    await talk(rig, ["INFO", "Memory", "proxy"], ["INFO", "proxy"]);
    expect(rig.connections.map(({ requests }) => requests)).toEqual([
      [["INFO", "memory"]],
      [["INFO", "memory"]],
    ]);
  });

  test("over one server it is the server's", async () => {
    const rig = createRig({ servers: 1, answerOf });
    const [text, both] = await talk(rig, ["INFO"], ["INFO", "clients", "proxy"]);
    expect(text).toBe(answerOf([], 0)!);
    expect(both).toContain("# Clients\r\nconnected_clients:2\r\n\r\n# Proxy\r\n");
  });
});
