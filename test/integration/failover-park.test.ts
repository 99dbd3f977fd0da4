/** Requests that wait for a lost server: how many, how long, and what becomes of them. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { subscribe } from "node:diagnostics_channel";
import { createClient } from "redis";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type SentinelGroup, startSentinels } from "../support/redis-sentinel.ts";
import { RespClient } from "../support/resp-client.ts";
import { runCommand } from "../support/run-command.ts";

let group: SentinelGroup;
let proxy: ProxyProcess;
let port = 0;
let clients: RespClient[] = [];

beforeEach(async () => {
  // Without a replica there is no failover.
  group = await startSentinels({ masters: ["solo"], replicas: 0, sentinels: 1 });
}, 60_000);

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await proxy.stop();
  await group.stop();
});

async function start(...lines: readonly string[]): Promise<void> {
  port = freePort();
  const config = [
    "pools:",
    "  main:",
    `    listen: 127.0.0.1:${port}`,
    `    sentinels: [${group.sentinels[0]!.address}]`,
    "    masters: [solo]",
    ...lines.map((line) => `    ${line}`),
    "",
  ].join("\n");
  proxy = await startProxy({ config, args: ["--workers", "1"] });
}

async function connect(): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  clients.push(client);
  return client;
}

async function kill(): Promise<void> {
  const server = await group.master("solo");
  process.kill(server.pid, "SIGKILL");
  await server.process.exited;
}

describe("requests for a server that is lost", () => {
  test("wait for it, and go on in order when it is back", async () => {
    await start();
    const watcher = await connect();
    expect(await watcher.ask("SET", "k", "1")).toBe("+OK\r\n");
    const master = await group.master("solo");
    await kill();
    const all = await Promise.all(Array.from({ length: 20 }, connect));
    for (const [i, client] of all.entries()) {
      client.command(["RPUSH", `l:${i}`, "a"], ["RPUSH", `l:${i}`, "b"], ["GET", "none"]);
      client.command(
        ["MULTI"],
        ["LRANGE", `l:${i}`, "0", "-1"],
        ["EXEC"],
        ["BLPOP", `l:${i}`, "1"],
      );
    }
    // One that is asked in vain, so that the server is known to be lost.
    watcher.command(["GET", "k"]);
    await group.restart(master);
    for (const [i, client] of all.entries()) {
      const replies = (await client.replies(7)).map((reply) => `${reply}`);
      const list = "*2\r\n$1\r\na\r\n$1\r\nb\r\n";
      const popped = `*2\r\n$${`l:${i}`.length}\r\nl:${i}\r\n$1\r\na\r\n`;
      expect(replies).toEqual([
        ...[":1\r\n", ":2\r\n", "$-1\r\n", "+OK\r\n", "+QUEUED\r\n", `*1\r\n${list}`, popped],
      ]);
    }
    expect(`${await watcher.reply()}`).toBe("$-1\r\n");
  });

  test("fail when they have waited for failover_park, and later ones do at once", async () => {
    await start("failover_park: 700ms");
    const client = await connect();
    expect(await client.ask("GET", "k")).toBe("$-1\r\n");
    await kill();
    const startMs = performance.now();
    expect(await client.ask("GET", "k")).toStartWith("-ERR Connection ");
    expect(performance.now() - startMs).toBeGreaterThan(600);
    const laterMs = performance.now();
    expect(await client.ask("SET", "k", "v")).toStartWith("-ERR Connection refused");
    expect(performance.now() - laterMs).toBeLessThan(600);
  });

  test("fail at once when as many wait as may, and without failover_park", async () => {
    await start("failover_park: 60s", "failover_park_requests: 3");
    const all = await Promise.all(Array.from({ length: 8 }, connect));
    for (const client of all) expect(await client.ask("GET", "k")).toBe("$-1\r\n");
    await kill();
    const failed: string[] = [];
    for (const client of all) {
      client.command(["SET", "k", "v"]);
      void client.reply().then(
        (reply) => failed.push(`${reply}`),
        () => {},
      );
    }
    while (failed.length < 5) await Bun.sleep(5);
    expect(failed.every((reply) => reply.startsWith("-ERR Connection "))).toBe(true);
    const { configFile } = proxy;
    const set = await runCommand(["config", "set", "main.failover_park", "none", "-c", configFile]);
    expect(set.code).toBe(0);
    const late = await connect();
    expect(await late.ask("GET", "k")).toStartWith("-ERR Connection refused");
    while (failed.length < 8) await Bun.sleep(5);
  });

  test("that is not lost do not wait: as many as server_queue allows are under way, and further ones fail at once", async () => {
    await start("server_queue: 1", "timeout: 60s");
    const [first, second] = [await connect(), await connect()];
    for (const client of [first, second]) expect(await client.ask("GET", "k")).toBe("$-1\r\n");
    const { pid } = await group.master("solo");
    process.kill(pid, "SIGSTOP");
    try {
      first.command(["GET", "k"]);
      let reply = "";
      // Until the first one is in the line, this one may be.
      for (const client of [second, await connect(), await connect()]) {
        client.command(["GET", "k"]);
        void client.reply().then(
          (bytes) => {
            reply = `${bytes}`;
          },
          () => {},
        );
      }
      while (reply === "") await Bun.sleep(5);
      expect(reply).toContain("as many as server_queue allows");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    expect(`${await first.reply()}`).toMatch(/^\$-1|server_queue/);
    expect(proxy.stderr()).not.toContain("event=requests_wait");
  });

  test("are told to clients that asked for it: their time-outs are longer meanwhile", async () => {
    await start();
    const plain = await connect();
    const on = ["CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "none"] as const;
    expect(await plain.ask(...on)).toStartWith("-ERR 'CLIENT MAINT_NOTIFICATIONS' needs RESP3");
    const told = await connect();
    await told.ask("HELLO", "3");
    expect(await told.ask(...on)).toBe("+OK\r\n");
    process.env["REDIS_EMIT_DIAGNOSTICS"] = "1";
    const heard = Promise.withResolvers<unknown>();
    subscribe("redis.maintenance", heard.resolve);
    // It asks by itself.
    const patient = await createClient({
      ...{ socket: { host: "127.0.0.1", port }, RESP: 3, maintNotifications: "enabled" },
      commandOptions: { timeout: 400 },
    }).connect();
    try {
      expect(await patient.get("k")).toBeNull();
      const master = await group.master("solo");
      await kill();
      plain.command(["GET", "k"]);
      expect(`${await told.reply()}`).toMatch(
        /^>4\r\n\$12\r\nFAILING_OVER\r\n:\d+\r\n:10\r\n\*0\r\n$/,
      );
      await heard.promise;
      const reading = patient.get("k");
      // Longer than it would wait else.
      await Bun.sleep(600);
      await group.restart(master);
      expect(await reading).toBeNull();
      expect(`${await told.reply()}`).toMatch(/^>3\r\n\$11\r\nFAILED_OVER\r\n:\d+\r\n\*0\r\n$/);
    } finally {
      patient.destroy();
      delete process.env["REDIS_EMIT_DIAGNOSTICS"];
    }
  });

  test("are only counted in a dry run", async () => {
    await start("failover_park_dry_run: true");
    const client = await connect();
    expect(await client.ask("GET", "k")).toBe("$-1\r\n");
    await kill();
    expect(await client.ask("GET", "k")).toStartWith("-ERR Connection ");
    expect(proxy.stderr()).toContain("requests would wait for a server that is lost");
  });
});

describe("proxy check --online", () => {
  test("tells what sentinels know, and fails for a master that none does", async () => {
    await start();
    const good = await runCommand(["check", "--online", "-c", proxy.configFile]);
    expect(good.output).toContain("ok: pool main: master solo: 127.0.0.1:");
    expect(good.code).toBe(0);
    await Bun.write(
      proxy.configFile,
      (await Bun.file(proxy.configFile).text()).replace("[solo]", "[typo]"),
    );
    const bad = await runCommand(["check", "--online", "-c", proxy.configFile]);
    expect(bad.output).toContain("error: pool main: master typo: no sentinel knows it");
    expect(bad.code).toBe(1);
  });
});
