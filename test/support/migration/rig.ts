/** A proxy over real servers whose pool changes its servers. */
import { rmSync, writeFileSync } from "node:fs";
import type { MigrationStatus } from "../../../src/api/control-socket.ts";
import { createHash } from "../../../src/hash/hash-function.ts";
import { createRing } from "../../../src/hash/ring.ts";
import { freePort } from "../free-port.ts";
import { type MemcachedServer, startMemcached } from "../memcached-server.ts";
import { type ProxyProcess, proxyCommand, startProxy } from "../proxy-process.ts";
import { type RedisServer, startRedis } from "../redis-server.ts";
import { RespClient } from "../resp-client.ts";
import { runCommand } from "../run-command.ts";
import { makeDirectory } from "../server-process.ts";

const END_MS = 40_000;

export class MigrationRig {
  port = 0;
  servers: (RedisServer | MemcachedServer)[] = [];
  /** Lines of the configuration behind the pool. */
  more: readonly string[] = [];
  private proxy: ProxyProcess | null = null;
  private readonly clients: RespClient[] = [];
  private readonly directories: string[] = [];
  private second: Bun.Subprocess | null = null;

  async stop(): Promise<void> {
    for (const client of this.clients) client.close();
    this.second?.kill("SIGTERM");
    await this.second?.exited;
    await this.proxy?.stop();
    for (const server of this.servers) await server.stop();
    for (const directory of this.directories) rmSync(directory, { recursive: true, force: true });
  }

  async connect(to: number = this.port): Promise<RespClient> {
    const client = await RespClient.connect({ host: "127.0.0.1", port: to });
    this.clients.push(client);
    return client;
  }

  async startServers(count: number, args: readonly string[] = []): Promise<void> {
    for (let i = 0; i < count; i++) this.servers.push(await startRedis({ args }));
  }

  async startMemcacheds(count: number, args: readonly string[] = []): Promise<void> {
    for (let i = 0; i < count; i++) this.servers.push(await startMemcached({ args }));
  }

  /** Whose keys are there again when they were killed. */
  async startLastingServers(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const directory = makeDirectory("redis-data");
      this.directories.push(directory);
      this.servers.push(await startRedis({ args: lasting(directory) }));
    }
  }

  async killServer(number: number): Promise<void> {
    const { pid, process: server } = this.servers[number]!;
    process.kill(pid, "SIGKILL");
    await server.exited;
  }

  /** At the same address, with what it had. */
  async reviveServer(number: number): Promise<void> {
    const { port } = this.servers[number]!;
    this.servers[number] = await startRedis({ port, args: lasting(this.directories[number]!) });
  }

  /** The configuration with the servers of these numbers. */
  private configOf(numbers: readonly number[], lines: readonly string[]): string {
    const list = numbers.map((at) => `"127.0.0.1:${this.servers[at]!.port}:1 s${at}"`);
    return [
      "drain_timeout: 2s",
      "pools:",
      "  main:",
      `    listen: 127.0.0.1:${this.port}`,
      "    migrate: true",
      ...lines.map((line) => `    ${line}`),
      `    servers: [${list.join(", ")}]`,
      ...this.more,
      "",
    ].join("\n");
  }

  async start(numbers: readonly number[], ...lines: readonly string[]): Promise<void> {
    this.port = freePort();
    const config = this.configOf(numbers, lines);
    this.proxy = await startProxy({ config, args: ["--workers", "2"] });
  }

  /** Kills the supervisor, and starts another with the same file. */
  async crash(): Promise<void> {
    const { pid, configFile, exited } = this.proxy!;
    process.kill(pid, "SIGKILL");
    await exited;
    const args = ["-c", configFile, "--workers", "2", "-a", "127.0.0.1", "-s", `${freePort()}`];
    this.second = Bun.spawn([...proxyCommand(), ...args], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await this.until("the proxy to serve again", async () => {
      return (await this.command("status")).code === 0;
    });
  }

  async command(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    const { configFile } = this.proxy!;
    const { code, output, errors } = await runCommand([...words, "-c", configFile]);
    return { code, out: output, err: errors };
  }

  async changeTo(numbers: readonly number[], ...lines: readonly string[]): Promise<void> {
    writeFileSync(this.proxy!.configFile, this.configOf(numbers, lines));
    const { code, err } = await this.command("reload");
    if (code !== 0) throw new Error(`the reload ends with ${code}: ${err}`);
  }

  /** What a reload with the servers of these numbers would do, in words. */
  async dryRun(numbers: readonly number[]): Promise<string> {
    writeFileSync(this.proxy!.configFile, this.configOf(numbers, []));
    return (await this.command("reload", "--dry-run")).out;
  }

  async statuses(): Promise<readonly MigrationStatus[]> {
    const { out } = await this.command("migration", "status", "--json");
    return (JSON.parse(out) as { migrations: readonly MigrationStatus[] }).migrations;
  }

  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + END_MS;
    while (!(await isSo())) {
      if (performance.now() > endMs) {
        const state = JSON.stringify(await this.statuses());
        throw new Error(`waited for ${what}; ${state}\n${this.proxy?.stderr()}`);
      }
      await Bun.sleep(20);
    }
  }

  async untilDone(): Promise<void> {
    await this.until("all keys to be at home", async () => (await this.statuses()).length === 0);
  }

  async untilMoving(): Promise<void> {
    await this.until("keys to move", async () => (await this.statuses())[0]?.phase === "moving");
  }

  workerPids(): number[] {
    return this.proxy!.pidsOf("worker");
  }

  /** Null: there is none now. */
  sweeperPid(): number | null {
    return this.proxy!.pidsOf("sweeper")[0] ?? null;
  }

  /** Each key of the servers, and which of them have it. */
  async placesOfKeys(database = 0): Promise<Map<string, number[]>> {
    const places = new Map<string, number[]>();
    for (const [number, server] of this.servers.entries()) {
      const client = await this.connect(server.port);
      await client.ask("SELECT", `${database}`);
      const reply = await client.ask("KEYS", "*");
      for (const [, key] of reply.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)) {
        places.set(key!, [...(places.get(key!) ?? []), number]);
      }
    }
    return places;
  }

  /** Keys that are not on exactly the server that the ring of `numbers` names. */
  async misplaced(numbers: readonly number[], database = 0): Promise<string[]> {
    return [...(await this.placesOfKeys(database))].flatMap(([key, at]) => {
      const home = homeOf(key, numbers);
      return at.length === 1 && at[0] === home ? [] : [`${key} on ${at.join()}, not ${home}`];
    });
  }

  /** Keys of all types, some of which have an end, in two databases. @returns what asks for them */
  async fill(count: number): Promise<readonly (readonly string[])[]> {
    const client = await this.connect();
    const asks: string[][] = [];
    for (let i = 0; i < count; i++) {
      await client.ask("SET", `string:${i}`, `value ${i}`, "EX", `${1000 + i}`);
      await client.ask("RPUSH", `list:${i}`, "a", "b", `${i}`);
      await client.ask("HSET", `hash:${i}`, "f", `${i}`, "g", "2");
      await client.ask("SADD", `set:${i}`, `${i}`);
      await client.ask("ZADD", `zset:${i}`, "1", "a", `${i}`, "b");
      await client.ask("XADD", `stream:${i}`, "1-1", "f", `${i}`);
      await client.ask("XGROUP", "CREATE", `stream:${i}`, "group", "0");
      asks.push(
        ...[
          ["GET", `string:${i}`],
          ["LRANGE", `list:${i}`, "0", "-1"],
          ["HGETALL", `hash:${i}`],
        ],
        ...[
          ["SMEMBERS", `set:${i}`],
          ["ZRANGE", `zset:${i}`, "0", "-1", "WITHSCORES"],
        ],
        ...[
          ["XRANGE", `stream:${i}`, "-", "+"],
          ["XINFO", "GROUPS", `stream:${i}`],
        ],
      );
    }
    await client.ask("SELECT", "3");
    for (let i = 0; i < count; i++) await client.ask("SET", `other:${i}`, `${i}`);
    return asks;
  }

  async answers(asks: readonly (readonly string[])[], port: number = this.port): Promise<string[]> {
    const client = await this.connect(port);
    const found: string[] = [];
    for (const words of asks) found.push(await client.ask(...words));
    return found;
  }
}

/** All that is acknowledged is in a file by then. */
function lasting(directory: string): readonly string[] {
  return ["--appendonly", "yes", "--appendfsync", "always", "--dir", directory];
}

const hash = createHash("fnv1a_64", true);

/** The number, of `numbers`, of the server that a key belongs to. */
export function homeOf(key: string, numbers: readonly number[]): number {
  const named = numbers.map((at) => ({ name: `s${at}`, weight: 1 }));
  const ring = createRing("ketama", named, () => true, Math.random);
  const bytes = Buffer.from(key, "latin1");
  return numbers[ring.pick(hash(bytes, 0, bytes.length))]!;
}

/** "PREFIX:n" whose servers are `from` among `before` and `to` among `after`. */
export function keyBetween(
  prefix: string,
  [from, before]: readonly [number, readonly number[]],
  [to, after]: readonly [number, readonly number[]],
): string {
  for (let n = 0; ; n++) {
    const key = `${prefix}:${n}`;
    if (homeOf(key, before) === from && homeOf(key, after) === to) return key;
  }
}
