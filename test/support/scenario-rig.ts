/** Plays scenarios straight to Redis and through the proxy: one and two workers, over one and over four servers. */
import { freePort } from "./free-port.ts";
import { isSameReply } from "./known-differences.ts";
import { type ProxyProcess, redisPool, startProxy } from "./proxy-process.ts";
import { exchange, type RedisCommand } from "./redis-exchange.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { show } from "./resp-client.ts";
import { perform, type Received, type Transcript } from "./scenario.ts";
import type { Endpoint } from "./server-process.ts";

interface Place {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly servers: readonly RedisServer[];
}

export interface ScenarioRig {
  /** @throws when a client received anything else through the proxy than straight from Redis. */
  check(scenario: string): Promise<void>;
  stop(): Promise<void>;
}

/** Puts the servers into the state of the start. */
const FORGET: readonly RedisCommand[] = [
  ["SCRIPT", "FLUSH"],
  ["FUNCTION", "FLUSH"],
];
const CLEAN: readonly RedisCommand[] = [["SCRIPT", "KILL"], ["FLUSHALL"], ...FORGET];
/** With two workers, chance says which client is where. */
const ROUNDS_WITH_TWO_WORKERS = 3;

export async function startScenarioRig(): Promise<ScenarioRig> {
  // A script is soon one that takes too long.
  const args = ["--busy-reply-threshold", "20"];
  const started = await Promise.all(Array.from({ length: 7 }, () => startRedis({ args })));
  const proxies: ProxyProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await Promise.all(started.map((server) => server.stop()));
  };
  try {
    const [model, second, ...rest] = started.map(straight);
    if (model === undefined || second === undefined) throw new Error("no server");
    const [one = [], four] = [rest.splice(0, 1), rest];
    const places: Place[] = [];
    for (const workers of [1, 2]) {
      const pool = (name: string, behind: readonly Place[]): string => {
        const endpoint = { host: "127.0.0.1", port: freePort() };
        const servers = behind.flatMap((place) => place.servers);
        places.push({ name: `${name}, workers: ${workers}`, endpoint, servers });
        const listen = `${endpoint.host}:${endpoint.port}`;
        const lines = [`hash_tag: "{}"`];
        return redisPool({ listen, servers, lines }).replace("pool:", `${name}:`);
      };
      const config = pool("one", one) + pool("four", four);
      proxies.push(await startProxy({ config, args: ["--workers", `${workers}`, "--reuseport"] }));
    }
    return { check: (text) => check(text, model, second, places), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function straight(server: RedisServer): Place {
  return { name: "straight", endpoint: server, servers: [server] };
}

async function check(
  scenario: string,
  model: Place,
  second: Place,
  places: readonly Place[],
): Promise<void> {
  const wanted = await play(scenario, model);
  compare(wanted, await play(scenario, second), second);
  for (const place of places) {
    const rounds = place.name.endsWith("2") ? ROUNDS_WITH_TWO_WORKERS : 1;
    for (let round = 0; round < rounds; round++)
      compare(wanted, await play(scenario, place), place);
  }
}

async function play(scenario: string, { name, endpoint, servers }: Place): Promise<Transcript> {
  // Through the proxy, too: it remembers what was loaded through it.
  await exchange(endpoint, FORGET);
  await Promise.all(servers.map((server) => exchange(server, CLEAN)));
  try {
    return await perform(scenario, endpoint, servers);
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`);
  }
}

function compare(wanted: Transcript, got: Transcript, { name }: Place): void {
  for (const [client, want] of wanted) {
    const have = got.get(client) ?? [];
    const at = firstDifference(want, have);
    if (at < 0) continue;
    throw new Error(
      `${name}: client ${client}, reply ${at}\n  want ${shown(want[at])}\n  got  ${shown(have[at])}`,
    );
  }
}

/** Index of the first reply that is another; -1 if there is none. */
function firstDifference(want: readonly Received[], have: readonly Received[]): number {
  const at = want.findIndex((each, index) => !isSameReceived(each, have[index]));
  if (at >= 0) return at;
  return have.length > want.length ? want.length : -1;
}

function isSameReceived({ bytes, looseness }: Received, other: Received | undefined): boolean {
  return other !== undefined && isSameReply(bytes, other.bytes, looseness);
}

function shown(received: Received | undefined): string {
  return received === undefined ? "nothing" : show(received.bytes);
}
