/** A route that sends keys on without their prefix: what servers see, and what is refused. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { runCommand } from "../support/run-command.ts";

let servers: RedisServer[] = [];
let proxy: ProxyProcess;
let client: RespClient;
/** Of the pool that it leads to, whose keys have no prefix. */
let inner: RespClient;

beforeAll(async () => {
  servers = await Promise.all([0, 1, 2].map(() => startRedis()));
  const [one, two, three] = servers.map(({ port }) => `127.0.0.1:${port}:1`);
  const [app, leaf] = [freePort(), freePort()];
  const config = [
    "pools:",
    "  app:",
    `    listen: 127.0.0.1:${app}`,
    "    route:",
    '      prefixes: { "s:": { cut: sessions }, "f:": { cut: { main: dead, failover: sessions } } }',
    "      default: users",
    `  sessions: { listen: "127.0.0.1:${leaf}", hash_tag: "{}", servers: ["${one} one", "${two} two"] }`,
    `  users: { listen: "127.0.0.1:${freePort()}", servers: ["${three} three"] }`,
    `  dead: { listen: "127.0.0.1:${freePort()}", servers: ["127.0.0.1:1:1 dead"] }`,
    "",
  ];
  proxy = await startProxy({ config: config.join("\n"), args: ["--workers", "1"] });
  client = await RespClient.connect({ host: "127.0.0.1", port: app });
  inner = await RespClient.connect({ host: "127.0.0.1", port: leaf });
}, 60_000);

afterAll(async () => {
  client.close();
  inner.close();
  await proxy.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

test("keys are called without it, by the ring of the pool that they go to, in order", async () => {
  // Their hashes differ in all bits, so that they are on both servers, with the prefix and without.
  const names = Array.from({ length: 40 }, (_, i) => `${i * 7919}:key`);
  client.command(
    ...names.flatMap((name): [string, ...string[]][] => [
      ["SET", `s:${name}`, "?"],
      ["SET", `s:${name}`, `s:${name}`],
      ["GET", `s:${name}`],
      ["SET", `u:${name}`, "user"],
    ]),
  );
  const replies = (await client.replies(names.length * 4)).map(String);
  for (const [i, name] of names.entries()) {
    const value = `$${name.length + 2}\r\ns:${name}\r\n`;
    expect(replies[4 * i + 2]).toBe(value);
    expect(await inner.ask("GET", name)).toBe(value);
  }
  expect(await inner.ask("DBSIZE")).toBe(":40\r\n");
  const keys = names.map((name) => `s:${name}`);
  expect(await client.ask("MGET", ...keys, "u:0:key", "s:none")).toBe(
    `*42\r\n${keys.map((key) => `$${key.length}\r\n${key}\r\n`).join("")}$4\r\nuser\r\n$-1\r\n`,
  );
  expect(await client.ask("EXISTS", ...keys, ...keys)).toBe(":80\r\n");
  expect(await client.ask("DEL", ...keys, "u:0:key")).toBe(":41\r\n");
  expect(await inner.ask("DBSIZE")).toBe(":0\r\n");
});

test("all keys of a command and of a script are cut, and nothing else", async () => {
  expect(await client.ask("SET", "s:{t}a", "s:{t}a")).toBe("+OK\r\n");
  expect(await client.ask("RENAME", "s:{t}a", "s:{t}b")).toBe("+OK\r\n");
  expect(await inner.ask("GET", "{t}b")).toBe("$6\r\ns:{t}a\r\n");
  const script = "return {KEYS[1], KEYS[2], ARGV[1]}";
  expect(await client.ask("EVAL", script, "2", "s:{t}a", "s:{t}b", "s:c")).toBe(
    "*3\r\n$4\r\n{t}a\r\n$4\r\n{t}b\r\n$3\r\ns:c\r\n",
  );
  client.send("SET s:inline 1\r\nGET s:\r\n");
  expect((await client.replies(2)).map(String)).toEqual(["+OK\r\n", "$-1\r\n"]);
  expect(await inner.ask("GET", "inline")).toBe("$1\r\n1\r\n");
  expect(await client.ask("SET", "s:", "empty")).toBe("+OK\r\n");
  expect(await inner.ask("GET", "")).toBe("$5\r\nempty\r\n");
  expect(await client.ask("RENAME", "s:{t}b", "other")).toStartWith("-CROSSSLOT ");
  expect(await inner.ask("FLUSHALL")).toBe("+OK\r\n");
});

test("further nodes below see the key without it", async () => {
  expect(await client.ask("SET", "f:7", "v")).toBe("+OK\r\n");
  expect(await inner.ask("GET", "7")).toBe("$1\r\nv\r\n");
});

test("what cannot be cut is refused, and the client goes on", async () => {
  for (const words of [
    ["XREAD", "COUNT", "1", "STREAMS", "s:x", "0"],
    ["LMPOP", "1", "s:x", "LEFT"],
    ["ZMPOP", "1", "s:x", "MIN"],
    ["BLPOP", "s:x", "1"],
    ["WATCH", "s:x"],
  ] as [string, ...string[]][]) {
    expect(await client.ask(...words)).toMatch(/^-ERR .*the route cuts the prefix of this key/);
  }
  // Patterns are refused wherever a route leads to several servers.
  expect(await client.ask("SORT", "s:x", "BY", "w:*")).toStartWith("-ERR ");
  await client.ask("MULTI");
  expect(await client.ask("SET", "s:x", "1")).toMatch(/^-ERR .*the route cuts the prefix/);
  expect(await client.ask("EXEC")).toStartWith("-EXECABORT ");
  expect(await client.ask("GET", "s:x")).toBe("$-1\r\n");
});

test("proxy route says how a key is called", async () => {
  const { output } = await runCommand(["route", "-c", proxy.configFile, "app", "s:7", "--json"]);
  const [way] = JSON.parse(output).keys ?? JSON.parse(output);
  expect(JSON.stringify(way)).toContain('"cut"');
  const server = /"server":\s*"(\w+)"/.exec(JSON.stringify(way))?.[1];
  await client.ask("SET", "s:7", "x");
  const at = await RespClient.connect(servers[server === "one" ? 0 : 1]!);
  expect(await at.ask("GET", "7")).toBe("$1\r\nx\r\n");
  at.close();
});
