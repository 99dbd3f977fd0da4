/**
 * Commands that the proxy learns from its servers, and commands that its configuration allows or denies. A renamed command
 * is one that no table knows: what modules and newer servers bring, without a module.
 */
import { afterEach, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

const HOST = "127.0.0.1";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What they do to their connection would be done to everybody who shares it. */
const BINDING = ["SELECT", "AUTH", "MULTI", "WATCH", "SUBSCRIBE", "SSUBSCRIBE", "CLIENT", "SCRIPT"];
const RENAMED = ["GET", "MGET", "OBJECT", "LASTSAVE", "BLPOP", ...BINDING].flatMap((name) => [
  "--rename-command",
  name,
  `NEW.${name}`,
]);

async function start(count: number, ...lines: string[]): Promise<[RespClient, RedisServer[]]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => startRedis({ args: RENAMED })),
  );
  for (const server of servers) cleanups.push(() => server.stop());
  const config = redisPool({ listen: `${HOST}:${freePort()}`, servers, lines });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  cleanups.push(() => proxy.stop());
  const client = await RespClient.connect(proxy.endpoints[0]!);
  cleanups.push(() => client.close());
  return [client, servers];
}

test("a command that only the servers know goes where its key is, from its first use on", async () => {
  const [client] = await start(4);
  const keys = Array.from({ length: 40 }, (_, i) => `key${i}`);
  client.command(...keys.map((key) => ["SET", key, `value of ${key}`]));
  client.command(...keys.map((key) => ["new.get", key]), ["NEW.OBJECT", "ENCODING", "key1"]);
  for (const _ of keys) expect(`${await client.reply()}`).toBe("+OK\r\n");
  for (const key of keys) expect(`${await client.reply()}`).toContain(`value of ${key}\r\n`);
  expect(`${await client.reply()}`).toBe("$6\r\nembstr\r\n");
  expect(await client.ask("NEW.GET")).toBe(
    "-ERR wrong number of arguments for 'new.get' command\r\n",
  );
});

test("another name of what is about a connection does nothing to one that many share", async () => {
  const [client, servers] = await start(1);
  const other = await RespClient.connect(servers[0]!);
  cleanups.push(() => other.close());
  const commands = [
    ...["NEW.SELECT 3", "NEW.AUTH default x", "NEW.MULTI", "NEW.WATCH k", "NEW.SUBSCRIBE c"],
    ...["NEW.SSUBSCRIBE c", "NEW.CLIENT REPLY OFF", "NEW.CLIENT ID", "NEW.SCRIPT DEBUG YES"],
  ];
  for (const [i, command] of commands.entries()) {
    expect(await client.ask(...command.split(" "))).toMatch(/^-ERR '.*' is another name of '/);
    expect(await client.ask("SET", "k", `${i}`)).toBe("+OK\r\n");
    expect(await other.ask("NEW.GET", "k")).toBe(`$1\r\n${i}\r\n`);
  }
});

test("without keys it passes to one server, and is refused with the reason over several", async () => {
  const [one] = await start(1);
  await one.ask("SET", "a", "1");
  expect(await one.ask("NEW.LASTSAVE")).toMatch(/^:[0-9]+\r\n$/);
  const [four] = await start(4, "allow_commands: [new.mget]");
  expect(await four.ask("NEW.OBJECT", "HELP")).toMatch(
    /^-ERR 'NEW.OBJECT HELP' does not say where/,
  );
});

test("what no server knows is unknown, in Redis's words, and asked for once", async () => {
  const [client, servers] = await start(1);
  const straight = await RespClient.connect(servers[0]!);
  cleanups.push(() => straight.close());
  for (const request of [
    ["NOSUCH"],
    ["nosuch", "a", "b\r\n"],
    ["GET", "a"],
    ["", "a"],
    ["OBJECT|HELP"],
    ["NEW.OBJECT", "NOSUCH"],
    ["XINFO", "nosuch"],
    ["NEW.OBJECT|ENCODING", "a"],
  ]) {
    if (request[0] === "GET") continue;
    expect(await client.ask(...request)).toBe(await straight.ask(...request));
  }
  await client.ask("NOSUCH");
  const calls = /cmdstat_command\|info:calls=(\d+)/.exec(
    await straight.ask("INFO", "commandstats"),
  );
  // Each name once: NOSUCH, NEW.OBJECT and its NOSUCH, XINFO's NOSUCH.
  expect(calls?.[1]).toBe("4");
});

test("a server that is down cannot be asked: that is said, not that the command is unknown", async () => {
  const [client, [server]] = await start(1);
  await server!.stop();
  expect(await client.ask("NEW.GET", "a")).toMatch(/^-ERR (Connection refused|Connection reset)/);
});

test("allowed and denied by the configuration", async () => {
  const [client] = await start(
    1,
    "allow_commands: [CONFIG RESETSTAT, DEBUG]",
    "deny_commands: [FLUSHALL, 'memory|usage']",
  );
  expect(await client.ask("CONFIG", "RESETSTAT")).toBe("+OK\r\n");
  expect(await client.ask("DEBUG", "JMAP")).toMatch(/^[-+]/);
  expect(await client.ask("CONFIG", "REWRITE")).toMatch(/^-ERR 'CONFIG REWRITE' could harm others/);
  expect(await client.ask("FLUSHALL")).toMatch(/^-ERR 'FLUSHALL' is denied/);
  expect(await client.ask("MEMORY", "USAGE", "a")).toMatch(/^-ERR 'MEMORY USAGE' is denied/);
  expect(await client.ask("MEMORY", "HELP")).toMatch(/^\*/);
});
