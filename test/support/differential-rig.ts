/** One Redis, and the proxy over one and over several others: a script must get the same bytes from all of them. */
import fc from "fast-check";
import { type ChoppingRelay, startChoppingRelay } from "./chopping-relay.ts";
import { freePort } from "./free-port.ts";
import { compareReplies, play } from "./play-script.ts";
import { type ProxyProcess, redisPool, startProxy } from "./proxy-process.ts";
import { anyScript, asLines, type Script } from "./random-scripts.ts";
import { exchange } from "./redis-exchange.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import type { Endpoint } from "./server-process.ts";

/** Redis looks this often per second whether a blocked client has waited long enough; by default 10 times. */
const HURRIED = ["--hz", "250"];
/** Scripts between two looks at the clock. */
const BATCH = 20;
/** Longest search for a shorter script that fails as well. */
const SHRINK_LIMIT_MS = 30_000;

export interface Target {
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Servers behind it: one can do everything that Redis can. */
  readonly servers: number;
}

export interface DifferentialRig {
  readonly model: RedisServer;
  readonly targets: readonly Target[];
  /** The servers behind the proxies. */
  readonly servers: readonly RedisServer[];
  /** Plays a script everywhere that it may be played. @throws what differs, and where. */
  check(script: Script): Promise<void>;
  stop(): Promise<void>;
}

export interface RigOptions {
  /** Instead of the proxy, a second Redis: whatever differs then is no fault of the proxy. */
  readonly straight?: boolean;
}

export async function startRig({ straight = false }: RigOptions = {}): Promise<DifferentialRig> {
  const started = await Promise.all(
    Array.from({ length: straight ? 2 : 8 }, () => startRedis({ args: HURRIED })),
  );
  const [model, ...servers] = started;
  if (model === undefined) throw new Error("no server");
  const proxies: ProxyProcess[] = [];
  const relays: ChoppingRelay[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    for (const relay of relays) relay.stop();
    await Promise.all(started.map((server) => server.stop()));
  };
  const through = async (name: string, behind: readonly HostPort[]): Promise<Target> => {
    const endpoint = { host: "127.0.0.1", port: freePort() };
    const listen = `${endpoint.host}:${endpoint.port}`;
    const config = redisPool({ listen, servers: behind, lines: [`hash_tag: "{}"`] });
    proxies.push(await startProxy({ config }));
    return { name, endpoint, servers: behind.length };
  };
  try {
    const targets: Target[] = [];
    if (straight) {
      targets.push(...servers.map((endpoint) => ({ name: "straight", endpoint, servers: 1 })));
    } else {
      relays.push(...servers.splice(0, 2).map((server) => startChoppingRelay(server, Math.random)));
      targets.push(await through("over two servers that answer in pieces", relays));
      targets.push(await through("over one server", servers.splice(0, 1)));
      targets.push(await through("over four servers", servers));
    }
    return {
      model,
      targets,
      servers: started.filter((server) => server !== model),
      check: (script) => check(script, model, targets, started),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface HostPort {
  readonly host: string;
  readonly port: number;
}

async function check(
  script: Script,
  model: Endpoint,
  targets: readonly Target[],
  all: readonly Endpoint[],
): Promise<void> {
  const forget = [
    ["SCRIPT", "FLUSH"],
    ["FUNCTION", "FLUSH"],
  ] as const;
  // Through the proxy, too: it remembers what was loaded through it.
  await Promise.all(targets.map(({ endpoint }) => exchange(endpoint, forget)));
  await Promise.all(all.map((server) => exchange(server, [["FLUSHALL"], ...forget])));
  const wanted = await play(model, { ...script, cuts: [] });
  for (const { name, endpoint, servers } of targets) {
    if (script.spread === "anywhere" && servers > 1) continue;
    try {
      compareReplies(script, wanted, await play(endpoint, script));
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`);
    }
  }
}

/**
 * Checks random scripts until the time is up. @returns how many there were.
 * @throws for the first that fails, shrunk, as lines for redis-cli, with the seed that finds it again.
 */
export async function checkRandomScripts(
  rig: DifferentialRig,
  { seed, seconds }: { readonly seed: number; readonly seconds: number },
): Promise<number> {
  const deadline = performance.now() + seconds * 1000;
  const property = fc.asyncProperty(anyScript, (script) => rig.check(script));
  let played = 0;
  for (let at = seed; performance.now() < deadline; at++) {
    const outcome = await fc.check(property, {
      seed: at,
      numRuns: BATCH,
      interruptAfterTimeLimit: SHRINK_LIMIT_MS,
    });
    played += outcome.numRuns;
    if (!outcome.failed) continue;
    const found = outcome.counterexample?.[0];
    if (found === undefined) throw new Error(`seed ${at}: ${outcome.errorInstance}`);
    const { script, message } = await shortened(rig, found);
    const how = `RESP${script.version}, ${script.spread}, ${cutting(script)}`;
    throw new Error(
      `seed ${at}, after ${played} scripts; ${how}\n\n${asLines(script)}\n\n${message}`,
    );
  }
  return played;
}

/** Leaves out block after block, and step after step within blocks, as long as what is left fails too. */
async function shortened(
  rig: DifferentialRig,
  found: Script,
): Promise<{ script: Script; message: string }> {
  let script = found;
  let message = (await failure(rig, found)) ?? "it failed once, and not when it was repeated";
  const attempt = async (changed: Script): Promise<boolean> => {
    const failed = await failure(rig, changed);
    if (failed === null) return false;
    [script, message] = [changed, failed];
    return true;
  };
  await attempt({ ...script, cuts: [] });
  await attempt({ ...script, version: 2 });
  for (let at = script.blocks.length - 1; at >= 0; at--) {
    if (await attempt({ ...script, blocks: without(script.blocks, at) })) continue;
    // The first and the last step of a block are its frame.
    for (let inner = (script.blocks[at]?.length ?? 0) - 2; inner > 0; inner--) {
      const block = script.blocks[at] ?? [];
      if (block[inner]?.args[0] === "MULTI") continue;
      const blocks = script.blocks.map((each) => (each === block ? without(each, inner) : each));
      await attempt({ ...script, blocks });
    }
  }
  return { script, message };
}

/** What went wrong with a script; null if nothing did. */
async function failure(rig: DifferentialRig, script: Script): Promise<string | null> {
  try {
    await rig.check(script);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function without<Item>(items: readonly Item[], at: number): Item[] {
  return items.filter((_, index) => index !== at);
}

function cutting({ cuts }: Script): string {
  if (cuts === null) return "one by one";
  return cuts.length > 100 ? "byte by byte" : `cut at ${JSON.stringify(cuts)}`;
}
