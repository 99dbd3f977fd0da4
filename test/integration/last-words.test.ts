/** A client that may not stay sees its connection end, not break, and reads all it was told, whatever it has sent by then. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { planDescriptors } from "../../src/base/descriptor-budget.ts";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import {
  memcachePool,
  type ProxyProcess,
  redisPool,
  startProxy,
} from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { statusOf } from "../support/run-command.ts";
import type { Endpoint } from "../support/server-process.ts";
import { stopProcess } from "../support/stop-process.ts";
import { TextClient } from "../support/text-client.ts";

setDefaultTimeout(120_000);
const DEADLINE_MS = 30_000;
const TOO_MANY = "-ERR max number of clients reached\r\n";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A client that goes on talking whatever it is told, and remembers what it heard and how it ended. */
class Talker {
  heard = "";
  /** The other end's FIN came. */
  hasHeardAll = false;
  /** Errno name of how the connection ended, "" for an orderly end; null while it stands. */
  end: string | null = null;
  private socket: Bun.Socket | null = null;

  static async connect(endpoint: Endpoint): Promise<Talker> {
    const talker = new Talker();
    const socket: Bun.SocketHandler<undefined> = {
      data: (_, chunk) => {
        talker.heard += chunk.toString("latin1");
      },
      end: () => {
        talker.hasHeardAll = true;
      },
      close: (_, error) => {
        talker.end ??= (error as { readonly code?: string } | undefined)?.code ?? "";
      },
      error: (_, error) => {
        talker.end ??= (error as { readonly code?: string }).code ?? "unknown";
      },
    };
    talker.socket = await ("socketPath" in endpoint
      ? Bun.connect({ unix: endpoint.socketPath, socket, allowHalfOpen: true })
      : Bun.connect({
          hostname: endpoint.host,
          port: endpoint.port,
          socket,
          allowHalfOpen: true,
        }));
    return talker;
  }

  say(bytes: string): void {
    expect(this.socket?.write(bytes)).toBe(bytes.length);
  }

  /** The connection may be gone. */
  tryToSay(bytes: string): void {
    this.socket?.write(bytes);
  }

  hangUp(): void {
    this.socket?.end();
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!isSo()) {
      if (performance.now() > deadline) {
        throw new Error(`not in time: ${what}; heard ${JSON.stringify(this.heard)}, ${this.end}`);
      }
      await Bun.sleep(2);
    }
  }
}

async function startOver(
  config: string,
  args: readonly string[] = [],
  wrapper: readonly string[] = [],
): Promise<ProxyProcess> {
  const proxy = await startProxy({ config, args: ["--workers", "1", ...args], wrapper });
  cleanups.push(() => proxy.stop());
  return proxy;
}

async function redis(): Promise<RedisServer> {
  const server = await startRedis();
  cleanups.push(() => server.stop());
  return server;
}

async function memcached(): Promise<MemcachedServer> {
  const server = await startMemcached();
  cleanups.push(() => server.stop());
  return server;
}

/** Takes the pool's only place. */
async function takePlace(endpoint: Endpoint): Promise<RespClient> {
  const client = await RespClient.connect(endpoint);
  cleanups.push(() => client.close());
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  return client;
}

describe("one too many that has talked before anybody was there to hear it", () => {
  for (const mode of ["shared", "dispatch"]) {
    test(`accept ${mode}`, async () => {
      const listen = `127.0.0.1:${freePort()}`;
      const lines = ["client_connections: 1"];
      const config = redisPool({ listen, servers: [await redis()], lines });
      const proxy = await startOver(config, ["--accept", mode]);
      const endpoint = proxy.endpoints[0]!;
      const first = await takePlace(endpoint);
      const [worker = Number.NaN] = proxy.workerPids();
      for (let round = 0; round < 5; round++) {
        await stopProcess(worker);
        const talkers = await Promise.all(
          Array.from({ length: 10 }, () => Talker.connect(endpoint)),
        );
        for (const talker of talkers) talker.say("PING\r\n".repeat(100));
        process.kill(worker, "SIGCONT");
        for (const talker of talkers) {
          await talker.until("the end of what it hears", () => talker.hasHeardAll);
          expect(talker.heard).toBe(TOO_MANY);
          talker.say("PING\r\n".repeat(100));
          talker.hangUp();
        }
        for (const talker of talkers) {
          await talker.until("its end", () => talker.end !== null);
          expect(talker.end).toBe("");
        }
      }
      expect(await first.ask("PING")).toBe("+PONG\r\n");
    });
  }

  test("a Memcached pool, at a unix socket", async () => {
    const server = await memcached();
    const listen = `${server.process.directory}/proxy.sock`;
    const lines = ["client_connections: 1"];
    const proxy = await startOver(memcachePool({ listen, servers: [server], lines }));
    const endpoint = proxy.endpoints[0]!;
    const first = await TextClient.connect(endpoint);
    cleanups.push(() => first.close());
    expect(await first.ask("mn\r\n")).toBe("MN\r\n");
    const [worker = Number.NaN] = proxy.workerPids();
    await stopProcess(worker);
    const talker = await Talker.connect(endpoint);
    talker.say("get a\r\n");
    process.kill(worker, "SIGCONT");
    await talker.until("the end of what it hears", () => talker.hasHeardAll);
    expect(talker.heard).toBe("ERROR Too many open connections\r\n");
    expect(talker.end).toBeNull();
    talker.hangUp();
    expect(await first.ask("mn\r\n")).toBe("MN\r\n");
  });
});

test("a drain that begins while a client's request is on its way ends the connection in order", async () => {
  const listen = `127.0.0.1:${freePort()}`;
  const proxy = await startOver(redisPool({ listen, servers: [await redis()] }));
  const talker = await Talker.connect(proxy.endpoints[0]!);
  talker.say("PING\r\n");
  await talker.until("a reply", () => talker.heard === "+PONG\r\n");
  const [worker = Number.NaN] = proxy.workerPids();
  await stopProcess(worker);
  process.kill(proxy.pid, "SIGQUIT");
  await talker.until("the drain", () => proxy.stderr().includes("draining signal=SIGQUIT"));
  // The worker has been told by then, and hears this only after it.
  talker.say("PING\r\n".repeat(100));
  process.kill(worker, "SIGCONT");
  await talker.until("the end of what it hears", () => talker.hasHeardAll);
  talker.say("PING\r\n".repeat(100));
  talker.hangUp();
  await talker.until("its end", () => talker.end !== null);
  expect(talker.end).toBe("");
  expect(await proxy.exited).toBe(0);
});

test("who never hangs up is not listened to for ever", async () => {
  const listen = `127.0.0.1:${freePort()}`;
  const config = redisPool({ listen, servers: [await redis()], lines: ["client_connections: 1"] });
  const proxy = await startOver(config);
  const { endpoints } = proxy;
  await takePlace(endpoints[0]!);
  const talker = await Talker.connect(endpoints[0]!);
  await talker.until("the end of what it hears", () => talker.hasHeardAll);
  expect((await statusOf(proxy)).pools?.[0]?.counters.client_refused).toBe(1);
  while (talker.end === null) {
    // The reset that comes of it is what it asked for.
    talker.tryToSay("PING\r\n");
    await Bun.sleep(20);
  }
  expect(talker.heard).toBe(TOO_MANY);
});

test("too many for the process's descriptors are told, and the others served", async () => {
  const listen = `127.0.0.1:${freePort()}`;
  const config = redisPool({ listen, servers: [await redis()] });
  const proxy = await startOver(config, [], ["prlimit", "--nofile=100:100"]);
  const talkers: Talker[] = [];
  for (let i = 0; i < 60; i++) talkers.push(await Talker.connect(proxy.endpoints[0]!));
  const last = talkers.at(-1)!;
  await last.until("the end of what it hears", () => last.hasHeardAll);
  const isTurnedAway = ({ hasHeardAll }: Talker): boolean => hasHeardAll;
  const reason =
    "-ERR max number of clients reached (the proxy's limit of open files, 100, is reached)\r\n";
  for (const talker of talkers.filter(isTurnedAway)) expect(talker.heard).toBe(reason);
  const served = talkers.filter((talker) => !isTurnedAway(talker));
  const { clients } = planDescriptors(100, [{ servers: 1, serverConnections: 1 }]);
  expect(served.length).toBe(clients);
  expect(proxy.stderr()).toContain(
    "a client is turned away: the limit of open files is reached (100 in each worker); raise it",
  );
  for (const talker of served) {
    talker.say("PING\r\n");
    await talker.until("a reply", () => talker.heard === "+PONG\r\n");
  }
});
