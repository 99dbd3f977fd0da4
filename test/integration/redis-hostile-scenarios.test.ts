/**
 * Broken, cut off and enormous requests in every state that a connection can be in: what comes back is what Redis
 * sends, to the byte, and the connection has the same end.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type DifferentialRig, startRig, type Target } from "../support/differential-rig.ts";
import { encode } from "../support/random-commands.ts";
import { exchange } from "../support/redis-exchange.ts";
import { RespClient } from "../support/resp-client.ts";
import type { Endpoint } from "../support/server-process.ts";

const SENTINEL = encode(["ECHO", "sentinel"]);
const BLOCKED_POLL_MS = 2;

let rig: DifferentialRig;

beforeAll(async () => {
  rig = await startRig();
});

afterAll(() => rig?.stop());

/** Requests that no connection survives, and some that look like them. */
const BROKEN = [
  "*1\r\n$x\r\n",
  "*1\r\n$-1\r\n",
  "*1\r\n$-5\r\nabcde\r\n",
  "*-5\r\n",
  "*2\r\n$4\r\nECHO\r\n$536870913\r\n",
  "*2\r\n$4\r\nECHO\r\n$99999999999999999999\r\n",
  "*9223372036854775808\r\n",
  "*1\r\nPING\r\n",
  '"unbalanced\r\n',
  "*2\r\n$4\r\nECHO\r\n$3\r\nabcd\r\n",
  "*2147483648\r\n",
  "*1\r\n$4\r\nPI",
];

/** What brings a connection into a state, one reply each; what the state needs to end is in `release`. */
const STATES: readonly {
  readonly name: string;
  readonly before: readonly (readonly string[])[];
  /** The connection waits for this list. */
  readonly blockedOn?: string;
}[] = [
  { name: "inside MULTI", before: [["MULTI"], ["SET", "{h}k", "1"]] },
  { name: "watching", before: [["WATCH", "{h}k"]] },
  { name: "subscribed", before: [["SUBSCRIBE", "h"]] },
  { name: "in RESP3", before: [["HELLO", "3"]] },
  {
    name: "subscribed in RESP3",

    before: [
      ["HELLO", "3"],
      ["SUBSCRIBE", "h"],
    ],
  },
  { name: "in another database", before: [["SELECT", "3"]] },
  { name: "blocked", before: [["GET", "{h}k"]], blockedOn: "{h}list" },
];

/** All that comes back until the connection closes, or the sentinel's reply is there. */
async function outcome(
  endpoint: Endpoint,
  servers: readonly Endpoint[],
  state: (typeof STATES)[number],
  request: string,
): Promise<string> {
  const client = await RespClient.connect(endpoint);
  try {
    client.send(state.before.map(encode).join(""));
    await client.replies(state.before.length);
    // Whatever is incomplete ends with a connection that is closed by its client.
    const isIncomplete = request.endsWith("PI");
    if (state.blockedOn !== undefined) {
      client.send(encode(["BLPOP", state.blockedOn, "0"]));
      await untilBlocked(servers);
    }
    client.send(Buffer.from(isIncomplete ? request : request + SENTINEL, "latin1"));
    await client.sent();
    if (state.blockedOn !== undefined) await exchange(endpoint, [["RPUSH", state.blockedOn, "x"]]);
    if (isIncomplete) return "cut off";
    return await untilSentinel(client);
  } finally {
    client.close();
  }
}

async function untilSentinel(client: RespClient): Promise<string> {
  let received = "";
  for (;;) {
    try {
      received += (await client.reply()).toString("latin1");
    } catch (error) {
      if (!client.isClosed) throw error;
      return `${received}${client.unread.toString("latin1")}(closed)`;
    }
    // Inside MULTI the sentinel is queued, in RESP2 a subscriber may not say it.
    if (/(sentinel|\+QUEUED|'echo'.*)\r\n$/.test(received)) return `${received}(open)`;
  }
}

async function untilBlocked(servers: readonly Endpoint[]): Promise<void> {
  const blocked = async (server: Endpoint): Promise<boolean> =>
    !`${(await exchange(server, [["INFO", "clients"]]))[0]}`.includes("blocked_clients:0");
  while (!(await Promise.all(servers.map(blocked))).includes(true))
    await Bun.sleep(BLOCKED_POLL_MS);
}

function behind(target: Target): readonly Endpoint[] {
  return target.endpoint === rig.model ? [rig.model] : rig.servers;
}

describe.each(STATES.map((state) => [state.name, state] as const))("%s", (_, state) => {
  test.each(BROKEN.map((request) => [request]))(
    "%j",
    async (request) => {
      const model = { name: "redis", endpoint: rig.model, servers: 1 };
      let wanted = "";
      for (const target of [model, ...rig.targets]) {
        for (const server of behind(target)) await exchange(server, [["FLUSHALL"]]);
        const got = await outcome(target.endpoint, behind(target), state, request);
        if (target === model) wanted = got;
        expect(`${target.name}: ${masked(got)}`).toBe(`${target.name}: ${masked(wanted)}`);
        // Nobody else has noticed anything.
        expect(await exchange(target.endpoint, [["GET", "{h}k"], ["PING"]])).toEqual([
          null,
          Buffer.from("PONG"),
        ]);
      }
    },
    60_000,
  );
});

/** Without what is known to differ. */
function masked(text: string): string {
  return text.replace(/(version\r\n)\$\d+\r\n[^\r]*|(id\r\n):\d+/g, "$1$2");
}

test("more arguments than the proxy takes are refused, and the connection ends", async () => {
  for (const request of ["*1048577\r\n", "*2147483647\r\n"]) {
    for (const { endpoint } of [{ endpoint: rig.model }, ...rig.targets]) {
      const client = await RespClient.connect(endpoint);
      client.send(request + SENTINEL);
      expect(await untilSentinel(client)).toMatch(/^-ERR Protocol error: .*\r\n\(closed\)$/);
      client.close();
    }
  }
});

describe("replies that are nested deeply", () => {
  const nested = "local t={} local r=t for i=1,ARGV[1] do local n={} r[1]=n r=n end return t";

  test.each([1, 7, 50, 200, 1000, 3000])(
    "%d levels",
    async (depth) => {
      const commands = [
        ["EVAL", nested, "1", "{h}k", `${depth}`],
        ["PING"],
        ["MULTI"],
        ["EVAL", nested, "1", "{h}k", `${depth}`],
        ["EXEC"],
      ];
      const replies = async (endpoint: Endpoint): Promise<string[]> => {
        const client = await RespClient.connect(endpoint);
        try {
          client.command(...commands);
          return (await client.replies(commands.length)).map((reply) => reply.toString("latin1"));
        } finally {
          client.close();
        }
      };
      const wanted = await replies(rig.model);
      for (const { endpoint } of rig.targets) expect(await replies(endpoint)).toEqual(wanted);
    },
    60_000,
  );
});

describe("a client that is cut off at any byte", () => {
  const script = [
    ["SET", "{h}k", "1"],
    ["MULTI"],
    ["INCR", "{h}n"],
    ["EXEC"],
    ["WATCH", "{h}k"],
    ["BLPOP", "{h}none", "0.001"],
    ["MGET", "{red}1", "{blue}1", "{gold}1"],
    ["EVAL", "return 1", "1", "{h}k"],
    ["BLPOP", "{h}none", "0"],
  ]
    .map(encode)
    .join("");

  test.each(["end", "reset"] as const)(
    "%s",
    async (way) => {
      for (const { endpoint } of rig.targets) {
        const neighbour = await RespClient.connect(endpoint);
        for (let length = 1; length <= script.length; length += 1) {
          const hostile = await RespClient.connect(endpoint);
          hostile.send(script.substring(0, length));
          expect(await neighbour.ask("ECHO", `${length}`)).toContain(`${length}`);
          if (way === "end") hostile.close();
          else hostile.reset();
        }
        const keys = ["{red}2", "v", "{blue}2", "v", "{gold}2", "v"];
        expect(await neighbour.ask("MSET", ...keys)).toBe("+OK\r\n");
        neighbour.close();
      }
      // Nothing of theirs is left behind on the servers.
      const blocked = async (): Promise<boolean> => {
        const texts = await Promise.all(rig.servers.map((server) => exchange(server, [["INFO"]])));
        return texts.some(([text]) => !`${text}`.includes("blocked_clients:0"));
      };
      while (await blocked()) await Bun.sleep(BLOCKED_POLL_MS);
    },
    60_000,
  );
});
