/**
 * Servers that speak out of turn, in every protocol and over every kind of connection: two clients wait for a reply over the same
 * connection when the server says what it should not. Then no client may get what is another's, each request has exactly one reply
 * or none but the end of its connection, and all is well again once the server is.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { encodeCommand } from "../support/redis-exchange.ts";
import {
  binaryReply,
  metaValue,
  redisValue,
  type ScriptedServer,
  startScriptedServer,
  textValue,
} from "../support/scripted-server.ts";
import { BINARY, Client, RESP2, RESP3, type Speaker, TEXT } from "../support/speakers.ts";

const DEADLINE_MS = 10_000;
/** Bytes at a time in which the server's words arrive; 0: all at once. */
const SIZES = [0, 1, 5];
const LARGE_BYTES = 10_000;

const FAILS = "fails";
const OWN = "own";
/** What a client gets: its own value, a failure, or a text. */
type Outcome = typeof FAILS | typeof OWN | string;

interface Case {
  readonly what: string;
  /** By default both clients get the value of their key, "a" and "b". */
  readonly asks?: readonly [a: Buffer, b: Buffer];
  /** What the server says when it has both requests. */
  readonly says: (held: readonly Buffer[]) => Buffer | string;
  readonly becomes: readonly [a: Outcome, b: Outcome];
  /** The server speaks after the clients were answered. */
  readonly isLate?: boolean;
}

const PUSH = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n";
const ATTRIBUTE = "|1\r\n+ttl\r\n:9\r\n";
const a = redisValue("a").toString("latin1");
const b = redisValue("b").toString("latin1");
const large = `$${LARGE_BYTES}\r\n${"x".repeat(LARGE_BYTES)}\r\n`;

const RESP3_CASES: readonly Case[] = [
  { what: "a push first", says: () => PUSH + a + b, becomes: [OWN, OWN] },
  { what: "a push between replies", says: () => a + PUSH + PUSH + b, becomes: [OWN, OWN] },
  { what: "a push last", says: () => a + b + PUSH, becomes: [OWN, OWN] },
  { what: "a push while nothing is asked", says: () => PUSH, isLate: true, becomes: [OWN, OWN] },
  { what: "an attribute", says: () => ATTRIBUTE + a + b, becomes: [ATTRIBUTE + a, OWN] },
  { what: "a push in a reply", says: () => `*2\r\n${PUSH}${a}${b}`, becomes: [FAILS, FAILS] },
  { what: "a push behind an attribute", says: () => ATTRIBUTE + PUSH + a, becomes: [FAILS, FAILS] },
];

const RESP_CASES: readonly Case[] = [
  { what: "a third reply", says: () => a + b + a, becomes: [OWN, OWN] },
  { what: "a reply while nothing is asked", says: () => b, isLate: true, becomes: [OWN, OWN] },
  { what: "half a reply nobody asked for", says: () => "$5", isLate: true, becomes: [OWN, OWN] },
  { what: "another protocol", says: () => "HTTP/1.1 200 OK\r\n\r\n", becomes: [FAILS, FAILS] },
  { what: "a wrong length", says: () => `$9${a.substring(3)}${b}`, becomes: [FAILS, FAILS] },
  { what: "a length without end", says: () => `${a}*${"1".repeat(50)}`, becomes: [OWN, FAILS] },
  { what: "a nonsensical count", says: () => `${a}*-5\r\n`, becomes: [OWN, FAILS] },
];

const RESP2_CASES: readonly Case[] = [
  { what: "a push", says: () => PUSH + a + b, becomes: [FAILS, FAILS] },
  { what: "a push behind a reply", says: () => a + PUSH + b, becomes: [OWN, FAILS] },
  { what: "a push in a reply", says: () => `${a}*2\r\n${PUSH}${b}`, becomes: [OWN, FAILS] },
];

const text = (line: string): Buffer => Buffer.from(`${line}\r\n`);
const A = `${textValue("a")}END\r\n`;
const B = `${textValue("b")}END\r\n`;

const TEXT_CASES: readonly Case[] = [
  { what: "replies in the wrong order", says: () => B + A, becomes: [FAILS, FAILS] },
  { what: "the value of another key", says: () => A + A, becomes: [OWN, FAILS] },
  { what: "two values", says: () => textValue("a") + B, becomes: [FAILS, FAILS] },
  { what: "an END too many", says: () => `END\r\n${A}${B}`, becomes: ["END\r\n", FAILS] },
  { what: "a reply to another command", says: () => `STORED\r\n${A}`, becomes: [FAILS, FAILS] },
  { what: "a number", says: () => `${A}7\r\n`, becomes: [OWN, FAILS] },
  { what: "statistics", says: () => `${A}STAT a 1\r\nEND\r\n`, becomes: [OWN, FAILS] },
  { what: "a value among statistics", says: () => `STAT a 1\r\n${A}`, becomes: [FAILS, FAILS] },
  { what: "a meta reply", says: () => `${A}HD\r\n`, becomes: [OWN, FAILS] },
  { what: "a line without end", says: () => `${A}${"x".repeat(20_000)}`, becomes: [OWN, FAILS] },
  { what: "a third reply", says: () => A + B + A, becomes: [OWN, OWN] },
  { what: "a reply while nothing is asked", says: () => B, isLate: true, becomes: [OWN, OWN] },
  {
    what: "an error in place of END",
    says: () => `${textValue("a")}SERVER_ERROR out of memory\r\n${B}`,
    becomes: [`${textValue("a")}SERVER_ERROR out of memory\r\n`, OWN],
  },
  {
    what: "a value for a set",
    asks: [text("set a 0 0 1\r\nx"), text("get b")],
    says: () => B + B,
    becomes: [FAILS, FAILS],
  },
  {
    what: "a set's reply for a delete",
    asks: [text("delete a"), text("get b")],
    says: () => `STORED\r\n${B}`,
    becomes: [FAILS, FAILS],
  },
  {
    what: "a word for a number",
    asks: [text("incr a 1"), text("touch b 0")],
    says: () => "TOUCHED\r\n7\r\n",
    becomes: [FAILS, FAILS],
  },
  {
    what: "another key in a get of several",
    asks: [text("get a c"), text("get b")],
    says: () => textValue("a") + B + B,
    becomes: [FAILS, FAILS],
  },
  {
    what: "the values of a get of several",
    asks: [text("get c a"), text("get b")],
    says: () => A + B,
    becomes: [OWN, OWN],
  },
  {
    what: "meta values with each other's keys",
    asks: [text("mg a v k"), text("mg b v k")],
    says: () => Buffer.concat([metaValue("b", ["k"]), metaValue("a", ["k"])]),
    becomes: [FAILS, FAILS],
  },
  {
    what: "meta values with each other's opaques",
    asks: [text("mg a v O1"), text("mg b v O2")],
    says: () => Buffer.concat([metaValue("a", ["O2"]), metaValue("b", ["O1"])]),
    becomes: [FAILS, FAILS],
  },
  {
    what: "a value without the opaque that was asked for",
    asks: [text("mg a v O1"), text("mg b v")],
    says: () => Buffer.concat([metaValue("b", []), metaValue("b", [])]),
    becomes: [FAILS, FAILS],
  },
  {
    what: "a value without the key that was asked for",
    asks: [text("mg a v k"), text("mg b v")],
    says: () => Buffer.concat([metaValue("b", []), metaValue("b", [])]),
    becomes: [FAILS, FAILS],
  },
  {
    what: "a hit without the opaque that was asked for",
    asks: [text("mg a t O1"), text("mg b v")],
    says: () => Buffer.concat([text("HD t-1"), metaValue("b", [])]),
    becomes: [FAILS, FAILS],
  },
  {
    what: "something behind the length of a value",
    asks: [text("mg a v"), text("mg b v")],
    says: () => "VA 8VA 8\r\nxxxxxxxx\r\n",
    becomes: [FAILS, FAILS],
  },
  {
    what: "an opaque that was not given",
    asks: [text("mg a v"), text("mg b v O2")],
    says: () => Buffer.concat([metaValue("b", ["O2"]), metaValue("a", [])]),
    becomes: [FAILS, FAILS],
  },
  {
    what: "meta keys in base64",
    asks: [text("mg YQ== b v k O1"), text("mg b v k")],
    says: () => "VA 1 kYQ== O1 b\r\nx\r\nVA 1 kYg== b\r\ny\r\n",
    becomes: ["VA 1 kYQ== O1 b\r\nx\r\n", "VA 1 kYg== b\r\ny\r\n"],
  },
  {
    what: "a meta key in base64, of which the server gives the bytes",
    asks: [text("mg YSBPIGI= b v k O1"), text("mg b v k")],
    says: () => "VA 1 ka O b O1\r\nx\r\nVA 1 kc\r\ny\r\n",
    becomes: ["VA 1 ka O b O1\r\nx\r\n", FAILS],
  },
  {
    what: "the value of a quiet request's key is another's",
    asks: [text("mg a v k q\r\nmn"), text("mg b v k")],
    says: () => Buffer.concat([metaValue("b", ["k"]), metaValue("b", ["k"])]),
    becomes: [FAILS, FAILS],
  },
];

const right = binaryReply;

const BINARY_CASES: readonly Case[] = [
  {
    what: "replies in the wrong order",
    says: (held) => Buffer.concat([right(held[1]!), right(held[0]!)]),
    becomes: [FAILS, FAILS],
  },
  {
    what: "another opcode",
    says: (held) => Buffer.concat([right(held[0]!, { opcode: 0x0c }), right(held[1]!)]),
    becomes: [FAILS, FAILS],
  },
  {
    what: "another opaque",
    says: (held) => Buffer.concat([right(held[0]!), right(held[1]!, { opaque: 0xdeadbeef })]),
    becomes: [OWN, FAILS],
  },
  {
    what: "the same reply twice",
    says: (held) => Buffer.concat([right(held[0]!), right(held[0]!), right(held[1]!)]),
    becomes: [OWN, FAILS],
  },
  {
    what: "a third reply",
    says: (held) => Buffer.concat([...held.map((request) => right(request)), right(held[0]!)]),
    becomes: [OWN, OWN],
  },
  {
    what: "a request",
    says: (held) => Buffer.concat([right(held[0]!), held[1]!]),
    becomes: [OWN, FAILS],
  },
  { what: "text", says: () => A + B, becomes: [FAILS, FAILS] },
];

/** Within a transaction, over a connection of the first client's own. */
const exec = encodeCommand(["EXEC"]);
const LEASED3_CASES: readonly Case[] = [
  {
    what: "a push before EXEC's reply",
    says: () => `${PUSH}*1\r\n${a}`,
    becomes: [`*1\r\n${a}`, ""],
  },
  { what: "a push behind it", says: () => `*1\r\n${a}${PUSH}`, becomes: [`*1\r\n${a}`, ""] },
  { what: "a push in it", says: () => `*1\r\n${PUSH}${a}`, becomes: [FAILS, ""] },
];
const LEASED2_CASES: readonly Case[] = [
  { what: "a push", says: () => `${PUSH}*1\r\n${a}`, becomes: [FAILS, ""] },
  { what: "two replies to EXEC", says: () => `*1\r\n${a}${a}`, becomes: [`*1\r\n${a}`, ""] },
  {
    what: "too many elements",
    says: () => `*2\r\n${a}${large}`,
    becomes: [`*2\r\n${a}${large}`, ""],
  },
  { what: "another protocol", says: () => "220 ready\r\n", becomes: [FAILS, ""] },
];

let server: ScriptedServer;
let proxy: ProxyProcess;
let connect: () => Promise<Client>;
/** Of the test at hand. */
const clients: Client[] = [];

function rig(speaker: Speaker): void {
  beforeAll(async () => {
    server = startScriptedServer(speaker.server);
    const listen = `127.0.0.1:${freePort()}`;
    const config = speaker.config({ listen, servers: [server] });
    proxy = await startProxy({ config, args: ["--workers", "1"] });
    const [endpoint] = proxy.endpoints;
    if (endpoint === undefined || "socketPath" in endpoint) throw new Error("no endpoint");
    connect = async () => {
      const client = await new Client(speaker).connect(endpoint.host, endpoint.port);
      clients.push(client);
      return client;
    };
  });
  afterEach(() => {
    server.recover();
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(async () => {
    await proxy?.stop();
    server?.stop();
  });
}

function expectOutcome(speaker: Speaker, reply: string, outcome: Outcome, key: string): void {
  if (outcome === FAILS) expect([reply, speaker.isFailure(reply)]).toEqual([reply, true]);
  else if (outcome === OWN) expect(reply).toContain(`value of ${key}`);
  else expect(reply).toBe(outcome);
  if (outcome === FAILS || outcome === OWN) {
    expect(reply).not.toContain(`value of ${key === "a" ? "b" : "a"}`);
  }
}

/** Until the right value comes, nothing else may but failures. */
async function untilWell(speaker: Speaker, client: Client, key: string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const reply = await client.ask(speaker.get(key));
    if (reply.includes(`value of ${key}`)) return;
    expect([reply, speaker.isFailure(reply)]).toEqual([reply, true]);
    if (performance.now() > deadline) throw new Error("the server is well, the proxy is not");
    await Bun.sleep(10);
  }
}

async function recover(speaker: Speaker, one: Client, other: Client): Promise<void> {
  server.recover();
  await untilWell(speaker, one, "a");
  await untilWell(speaker, other, "b");
  expect([one.unread, other.unread]).toEqual(["", ""]);
  expect([one.isClosed, other.isClosed]).toEqual([false, false]);
}

async function playShared(speaker: Speaker, scene: Case, size: number): Promise<void> {
  const one = await connect();
  const other = await connect();
  await untilWell(speaker, one, "a");
  await untilWell(speaker, other, "b");
  const [askA, askB] = scene.asks ?? [speaker.get("a"), speaker.get("b")];
  if (scene.isLate !== true) {
    server.isWell = false;
    one.send(askA);
    await server.holds(1);
    other.send(askB);
    await server.holds(2);
    await server.say(Buffer.from(scene.says(server.held) as string, "latin1"), size);
  } else {
    await server.say(Buffer.from(scene.says([]) as string, "latin1"), size);
    one.send(askA);
    other.send(askB);
  }
  expectOutcome(speaker, await one.reply(), scene.becomes[0], "a");
  expectOutcome(speaker, await other.reply(), scene.becomes[1], "b");
  // The answer to `mn`, which ends a run of quiet requests.
  if (askA.toString("latin1").endsWith("mn\r\n")) expect(await one.reply()).toBe("MN\r\n");
  await recover(speaker, one, other);
}

async function playLeased(speaker: Speaker, scene: Case, size: number): Promise<void> {
  const one = await connect();
  const other = await connect();
  await untilWell(speaker, other, "b");
  expect(await one.ask(encodeCommand(["MULTI"]))).toBe("+OK\r\n");
  server.isWell = false;
  one.send(speaker.get("a"));
  await server.holds(1);
  await server.say(Buffer.from("+QUEUED\r\n"), 0);
  expect(await one.reply()).toBe("+QUEUED\r\n");
  one.send(exec);
  await server.holds(2);
  await server.say(Buffer.from(scene.says(server.held) as string, "latin1"), size);
  expectOutcome(speaker, await one.reply(), scene.becomes[0], "a");
  await recover(speaker, one, other);
}

describe.each<[name: string, speaker: Speaker, cases: readonly Case[]]>([
  ["RESP2", RESP2, [...RESP_CASES, ...RESP2_CASES]],
  ["RESP3", RESP3, [...RESP_CASES, ...RESP3_CASES]],
  ["text", TEXT, TEXT_CASES],
  ["binary", BINARY, BINARY_CASES],
])("%s, over a shared connection", (_name, speaker, cases) => {
  rig(speaker);
  describe.each(SIZES)("%d bytes at a time", (size) => {
    test.each(cases.map((scene) => [scene.what, scene] as const))("%s", async (_what, scene) => {
      await playShared(speaker, scene, size);
    });
  });
});

describe.each<[name: string, speaker: Speaker, cases: readonly Case[]]>([
  ["RESP2", RESP2, LEASED2_CASES],
  ["RESP3", RESP3, LEASED3_CASES],
])("%s, in a transaction", (_name, speaker, cases) => {
  rig(speaker);
  describe.each(SIZES)("%d bytes at a time", (size) => {
    test.each(cases.map((scene) => [scene.what, scene] as const))("%s", async (_what, scene) => {
      await playLeased(speaker, scene, size);
    });
  });
});
