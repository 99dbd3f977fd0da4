/** Publish/subscribe before several servers, servers that go away, users, and clients that do not read. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { keysByServer, redisPool, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

setDefaultTimeout(60_000);

const HOST = "127.0.0.1";
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function redis(port?: number, ...args: string[]): Promise<RedisServer> {
  const server = await startRedis(port === undefined ? { args } : { port, args });
  cleanups.push(() => server.stop());
  return server;
}

type Server = { readonly host: string; readonly port: number };

async function proxyOver(servers: readonly Server[], ...lines: string[]): Promise<Server> {
  const port = freePort();
  const config = redisPool({ listen: `${HOST}:${port}`, servers, lines });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  cleanups.push(() => proxy.stop());
  return { host: HOST, port };
}

async function connect(to: Server): Promise<RespClient> {
  const client = await RespClient.connect(to);
  cleanups.push(() => client.close());
  return client;
}

const DEADLINE_MS = 20_000;

/** Asks again and again. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await Bun.sleep(10);
  }
}

const message = (channel: string, text: string): string =>
  `*3\r\n$7\r\nmessage\r\n$${channel.length}\r\n${channel}\r\n$${text.length}\r\n${text}\r\n`;

test("a message is heard wherever it is published", async () => {
  const servers = await Promise.all([redis(), redis(), redis(), redis()]);
  const proxy = await proxyOver(servers);
  const [listener, publisher] = [await connect(proxy), await connect(proxy)];
  await listener.ask("SUBSCRIBE", "news");
  await publisher.ask("PUBLISH", "news", "by a client");
  expect(`${await listener.reply()}`).toBe(message("news", "by a client"));
  for (const [index, server] of servers.entries()) {
    const [key = ""] = keysByServer(4, 1)[index] ?? [];
    const script = "return redis.call('PUBLISH', 'news', KEYS[1])";
    expect(await publisher.ask("EVAL", script, "1", key)).toBe(":1\r\n");
    expect(`${await listener.reply()}`).toBe(message("news", key));
    publisher.command(["MULTI"], ["SET", key, "1"], ["PUBLISH", "news", `x${key}`], ["EXEC"]);
    expect(Buffer.concat(await publisher.replies(4)).toString()).toEndWith("*2\r\n+OK\r\n:1\r\n");
    expect(`${await listener.reply()}`).toBe(message("news", `x${key}`));
    const straight = await connect(server);
    expect(await straight.ask("PUBLISH", "news", "straight")).toBe(":1\r\n");
    expect(`${await listener.reply()}`).toBe(message("news", "straight"));
  }
});

test("keyspace notifications of all servers come", async () => {
  const servers = await Promise.all(
    [0, 1].map(() => redis(undefined, "--notify-keyspace-events", "KEA")),
  );
  const proxy = await proxyOver(servers);
  const [listener, writer] = [await connect(proxy), await connect(proxy)];
  await listener.ask("SUBSCRIBE", "__keyevent@0__:set");
  for (const [key = ""] of keysByServer(2, 1)) {
    await writer.ask("SET", key, "1");
    expect(`${await listener.reply()}`).toBe(message("__keyevent@0__:set", key));
  }
});

test("a server that is restarted has all subscriptions again, and its subscribers stay", async () => {
  const [stays, goes] = await Promise.all([redis(), redis()]);
  const proxy = await proxyOver([stays!, goes!]);
  const [listener, direct] = [await connect(proxy), await connect(stays!)];
  await listener.ask("SUBSCRIBE", "news");
  await listener.ask("PSUBSCRIBE", "ne*");
  await goes!.stop();
  await direct.ask("PUBLISH", "news", "of the one that stays");
  expect(`${await listener.reply()}`).toBe(message("news", "of the one that stays"));
  await listener.reply();
  const late = await connect(proxy);
  expect(await late.ask("SUBSCRIBE", "news")).toEndWith("news\r\n:1\r\n");
  const again = await redis(goes!.port);
  const publisher = await connect(again);
  await until("the proxy has subscribed again", async () => {
    const numbers = await publisher.ask("PUBSUB", "NUMSUB", "news");
    return numbers.endsWith(":1\r\n") && (await publisher.ask("PUBSUB", "NUMPAT")) === ":1\r\n";
  });
  await publisher.ask("PUBLISH", "news", "back");
  for (const client of [listener, late]) {
    expect(`${await client.reply()}`).toBe(message("news", "back"));
  }
  expect(`${await listener.reply()}`).toContain("pmessage");
});

test("without any server a subscription is refused at once, and works when one is there", async () => {
  const server = await redis();
  const proxy = await proxyOver([server]);
  const listener = await connect(proxy);
  await server.stop();
  expect(await listener.ask("GET", "k")).toStartWith("-ERR ");
  expect(await listener.ask("SUBSCRIBE", "news")).toMatch(/^-ERR Connection (refused|reset)/);
  // It is no subscriber.
  expect(await listener.ask("ECHO", "x")).toBe("$1\r\nx\r\n");
  const again = await redis(server.port);
  let answer = "";
  await until("it is used again", async () => {
    answer = await listener.ask("SUBSCRIBE", "news");
    return !answer.startsWith("-");
  });
  expect(answer).toBe("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
  await (await connect(again)).ask("PUBLISH", "news", "x");
  expect(`${await listener.reply()}`).toBe(message("news", "x"));
});

test("an ejected server takes its shard channels to another, and back", async () => {
  const servers = await Promise.all([redis(), redis()]);
  const lines = ["auto_eject_hosts: true", "server_failure_limit: 1", "server_retry_timeout: 200"];
  const proxy = await proxyOver(servers, ...lines);
  const [listener, publisher] = [await connect(proxy), await connect(proxy)];
  const [channel = ""] = keysByServer(2, 1)[1] ?? [];
  await listener.ask("SSUBSCRIBE", channel);
  const heard = async (): Promise<boolean> => {
    return (await publisher.ask("SPUBLISH", channel, "x")) === ":1\r\n";
  };
  expect(await heard()).toBe(true);
  await servers[1]!.stop();
  await until("the other server has it", heard);
  expect(await (await connect(servers[0]!)).ask("PUBSUB", "SHARDNUMSUB", channel)).toEndWith(
    ":1\r\n",
  );
  const again = await redis(servers[1]!.port);
  const straight = await connect(again);
  await until("it is back", async () =>
    (await straight.ask("PUBSUB", "SHARDNUMSUB", channel)).endsWith(":1\r\n"),
  );
  await until("the other has it no more", async () =>
    (await (await connect(servers[0]!)).ask("PUBSUB", "SHARDNUMSUB", channel)).endsWith(":0\r\n"),
  );
  expect(await heard()).toBe(true);
});

test("users have what they may, over connections of their own", async () => {
  const server = await redis();
  const straight = await connect(server);
  await straight.ask("ACL", "SETUSER", "all", "on", ">one", "~*", "&*", "+@all");
  await straight.ask(
    "ACL",
    "SETUSER",
    "some",
    "on",
    ">two",
    "~*",
    "resetchannels",
    "&ok*",
    "+@all",
  );
  const proxy = await proxyOver([server]);
  const [all, some] = [await connect(proxy), await connect(proxy)];
  expect(await all.ask("AUTH", "all", "one")).toBe("+OK\r\n");
  expect(await some.ask("AUTH", "some", "two")).toBe("+OK\r\n");
  expect(await all.ask("SUBSCRIBE", "secret")).toEndWith(":1\r\n");
  const denied =
    "-NOPERM this user has no permissions to access one of the channels used as arguments\r\n";
  expect(await some.ask("SUBSCRIBE", "ok1", "secret")).toBe(denied);
  expect(await some.ask("PSUBSCRIBE", "*")).toBe(denied);
  expect(await some.ask("SUBSCRIBE", "ok1")).toEndWith(":1\r\n");
  expect(await straight.ask("PUBLISH", "secret", "x")).toBe(":1\r\n");
  expect(`${await all.reply()}`).toBe(message("secret", "x"));
  await straight.ask("PUBLISH", "ok1", "y");
  expect(`${await some.reply()}`).toBe(message("ok1", "y"));
  // Redis closes the connections of subscribers that may not be any more.
  await straight.ask("ACL", "SETUSER", "some", "resetchannels");
  expect(`${await some.untilClosed()}`).toBe("");
  await straight.ask("PUBLISH", "secret", "z");
  expect(`${await all.reply()}`).toBe(message("secret", "z"));
});

test("a subscriber that reads nothing is cut, and nobody else waits for it", async () => {
  const server = await redis();
  const proxy = await proxyOver([server]);
  const [lazy, eager, publisher] = [
    await connect(proxy),
    await connect(proxy),
    await connect(proxy),
  ];
  await lazy.ask("SUBSCRIBE", "news");
  await eager.ask("SUBSCRIBE", "news");
  lazy.pause();
  const text = "x".repeat(1_000_000);
  let published = 0;
  while ((await publisher.ask("PUBLISH", "news", text)) === ":2\r\n") {
    expect(`${await eager.reply()}`).toBe(message("news", text));
    expect(published++).toBeLessThan(100);
  }
  expect(published).toBeGreaterThan(31);
  expect(`${await eager.reply()}`).toBe(message("news", text));
  lazy.resume();
  expect((await lazy.untilClosed()).length).toBeLessThan(published * text.length);
});

test("subscribing within a transaction is refused, and the transaction with it", async () => {
  const proxy = await proxyOver([await redis()]);
  const client = await connect(proxy);
  client.command(["MULTI"], ["SUBSCRIBE", "news"], ["EXEC"]);
  const [, refusal, end] = await client.replies(3);
  expect(`${refusal}`).toStartWith("-ERR 'SUBSCRIBE' inside MULTI is not supported");
  expect(`${end}`).toStartWith("-EXECABORT");
});
