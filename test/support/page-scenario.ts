/**
 * A proxy in trouble of every kind that its page should show: a slow server, one that is gone, a noisy client, a hot key, a client that does
 * not take its replies, and names that are markup.
 */
import { freePort } from "./free-port.ts";
import { type ProxyProcess, startProxy } from "./proxy-process.ts";
import { startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";
import { startSlowRelay } from "./slow-relay.ts";
import { stops } from "./upgrade-rig.ts";

export interface PageScenario {
  readonly proxy: ProxyProcess;
  /** Of the page, without a path. */
  readonly address: string;
  readonly port: number;
}

export interface PageScenarioOptions {
  /** Milliseconds that the slow server takes. */
  readonly slowMs: number;
  readonly adminLines?: readonly string[];
}

/** What would do something if it were taken for markup. */
export const HOSTILE_NAME = "<img/src=x/onerror=alert(1)>";
const BATCH = 16;
const CLIENTS = 6;

export async function startPageScenario(options: PageScenarioOptions): Promise<PageScenario> {
  const servers = [await startRedis(), await startRedis()];
  for (const server of servers) stops.push(() => server.stop());
  const behind = await startRedis();
  stops.push(() => behind.stop());
  const slow = startSlowRelay(behind, options.slowMs);
  stops.push(async () => slow.stop());
  const [port, sessions, adminPort] = [freePort(), freePort(), freePort()];
  const config = [
    "admin:",
    `  listen: 127.0.0.1:${adminPort}`,
    ...(options.adminLines ?? []).map((line) => `  ${line}`),
    "pools:",
    "  cache:",
    `    listen: 127.0.0.1:${port}`,
    "    protocol: redis",
    "    servers:",
    ...servers.map((server, index) => `      - ${server.host}:${server.port}:1 cache-${index + 1}`),
    `      - ${slow.host}:${slow.port}:1 cache-3`,
    "  sessions:",
    `    listen: 127.0.0.1:${sessions}`,
    "    protocol: redis",
    "    timeout: 300ms",
    "    servers:",
    `      - ${servers[0]!.host}:${servers[0]!.port}:1 sessions-1`,
    `      - 127.0.0.1:${freePort()}:1 sessions-2`,
    "",
  ].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  const scenario = { proxy, port, address: `http://127.0.0.1:${adminPort}` };
  const load = new Load();
  stops.push(() => load.stop());
  for (let n = 0; n < CLIENTS; n++) {
    load.run(port, `web-${n + 1}`, () => [["GET", `user:${pick(2000)}`]], 2);
  }
  load.run(port, HOSTILE_NAME, () => [["GET", HOSTILE_NAME]], 20);
  const batch = (): string[][] =>
    Array.from({ length: BATCH }, () => [
      "GET",
      pick(10) < 7 ? "front-page" : `user:${pick(2000)}`,
    ]);
  load.run(port, "nightly-import", batch, 1);
  load.run(sessions, "login", () => [["GET", `session:${pick(50)}`]], 40);
  return scenario;
}

async function connect(port: number, name: string): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  await client.ask("CLIENT", "SETNAME", name);
  return client;
}

function pick(count: number): number {
  return Math.floor(Math.random() * count);
}

/** Clients that ask on until the end; one that is disconnected comes again. */
class Load {
  #isStopping = false;
  readonly #running: Promise<void>[] = [];

  run(port: number, name: string, requests: () => string[][], pauseMs: number): void {
    this.#running.push(this.#ask(port, name, requests, pauseMs));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#running);
  }

  async #ask(
    port: number,
    name: string,
    requests: () => string[][],
    pauseMs: number,
  ): Promise<void> {
    let client: RespClient | null = null;
    while (!this.#isStopping) {
      try {
        client ??= await connect(port, name);
        const batch = requests();
        client.command(...batch);
        await client.replies(batch.length);
      } catch {
        client?.close();
        client = null;
      }
      await Bun.sleep(pauseMs);
    }
    client?.close();
  }
}
