/** Real Redis Sentinels for tests, with the masters and replicas that they watch, on loopback ports. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";
import { makeDirectory, type ServerProcess, startServer } from "./server-process.ts";

export interface Sentinel {
  readonly address: string;
  readonly port: number;
  readonly process: ServerProcess;
}

export interface SentinelGroup {
  readonly sentinels: readonly Sentinel[];
  /** All servers, of all masters. */
  readonly servers: readonly RedisServer[];
  /** The server that the sentinels say is the master `name`. */
  master(name: string): Promise<RedisServer>;
  /** What a sentinel answers; null: it does not live. */
  ask(sentinel: Sentinel, ...words: [string, ...string[]]): Promise<string | null>;
  /** Resolves when all sentinels that live say that `name` is on a port other than `port`, and that one serves as a master. */
  moved(name: string, port: number): Promise<void>;
  /** Resolves when every sentinel knows of `replicas` replicas of `name` that are in step, and of the other sentinels. */
  settled(name: string, replicas: number): Promise<void>;
  /** Starts a server again that was killed, on its port. */
  restart(server: RedisServer): Promise<RedisServer>;
  stop(): Promise<void>;
}

export interface SentinelOptions {
  readonly masters: readonly string[];
  readonly replicas: number;
  readonly sentinels?: number;
  /** Of servers, and of sentinels; absent: none. */
  readonly password?: string;
  readonly sentinelPassword?: string;
}

const DOWN_AFTER_MS = 1_000;
const DEADLINE_MS = 60_000;

export async function startSentinels(options: SentinelOptions): Promise<SentinelGroup> {
  const { masters, replicas, password, sentinelPassword } = options;
  const servers: RedisServer[] = [];
  const secrets =
    password === undefined ? [] : ["--requirepass", password, "--masterauth", password];
  const base = [...secrets, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
  const monitored: string[] = [];
  for (const name of masters) {
    const master = await startRedis({ args: base });
    servers.push(master);
    for (let i = 0; i < replicas; i++) {
      const follow = ["--replicaof", master.host, `${master.port}`];
      servers.push(await startRedis({ args: [...base, ...follow] }));
    }
    monitored.push(
      `sentinel monitor ${name} ${master.host} ${master.port} 2`,
      `sentinel down-after-milliseconds ${name} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${name} 5000`,
      ...(password === undefined ? [] : [`sentinel auth-pass ${name} "${password}"`]),
    );
  }
  const sentinels: Sentinel[] = [];
  for (let i = 0; i < (options.sentinels ?? 3); i++) {
    sentinels.push(await startSentinel(monitored, sentinelPassword));
  }
  const ask = async (
    { port }: Sentinel,
    ...words: [string, ...string[]]
  ): Promise<string | null> => {
    try {
      const client = await RespClient.connect({ host: "127.0.0.1", port }, 2_000);
      try {
        if (sentinelPassword !== undefined) await client.ask("AUTH", sentinelPassword);
        return await client.ask(...words);
      } finally {
        client.close();
      }
    } catch {
      return null;
    }
  };
  const portOf = async (sentinel: Sentinel, name: string): Promise<number | null> => {
    const reply = await ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name);
    return reply === null ? null : Number(reply.split("\r\n")[4]);
  };
  const roleOf = async (port: number): Promise<string> => {
    try {
      const client = await RespClient.connect({ host: "127.0.0.1", port }, 2_000);
      try {
        if (password !== undefined) await client.ask("AUTH", password);
        return await client.ask("ROLE");
      } finally {
        client.close();
      }
    } catch {
      return "";
    }
  };
  const group: SentinelGroup = {
    sentinels,
    servers,
    ask,
    async master(name) {
      const ports = await Promise.all(sentinels.map((sentinel) => portOf(sentinel, name)));
      const port = ports.find((each) => each !== null);
      return group.servers.find((server) => server.port === port)!;
    },
    moved: (name, port) =>
      until(async () => {
        const ports = await Promise.all(sentinels.map((sentinel) => portOf(sentinel, name)));
        const [first, ...others] = ports.filter((each) => each !== null);
        if (first === undefined || first === port || others.some((each) => each !== first)) {
          return false;
        }
        return (await roleOf(first)).includes("master");
      }),
    settled: (name, count) =>
      until(async () => {
        const facts = await Promise.all(
          sentinels.map((sentinel) => ask(sentinel, "SENTINEL", "MASTER", name)),
        );
        const areKnown = facts.every((fact) => {
          const words = fact?.split("\r\n") ?? [];
          const value = (field: string): number => Number(words[words.indexOf(field) + 2]);
          return (
            value("num-slaves") === count && value("num-other-sentinels") === sentinels.length - 1
          );
        });
        const master = await group.master(name);
        const role = master === undefined ? "" : await roleOf(master.port);
        return areKnown && role.split("127.0.0.1").length - 1 === count;
      }),
    async restart(server) {
      const again = await startRedis({ port: server.port, args: base });
      servers.push(again);
      return again;
    },
    async stop() {
      await Promise.all(sentinels.map((sentinel) => sentinel.process.stop()));
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
  for (const name of masters) await group.settled(name, replicas);
  return group;
}

async function startSentinel(
  monitored: readonly string[],
  password: string | undefined,
): Promise<Sentinel> {
  const port = freePort();
  const directory = makeDirectory("sentinel");
  const file = join(directory, "sentinel.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${directory}`,
    ...(password === undefined
      ? []
      : [`requirepass "${password}"`, `sentinel sentinel-pass "${password}"`]),
    ...monitored,
    "",
  ];
  writeFileSync(file, lines.join("\n"));
  const started = await startServer(["redis-server", file, "--sentinel"], directory, [
    { host: "127.0.0.1", port },
  ]);
  return { address: `127.0.0.1:${port}`, port, process: started };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error("the sentinels do not agree");
    await Bun.sleep(20);
  }
}
