/** What a seed makes of a run: the pool, its servers and clients, and what goes wrong when. */

import type { ClientHabits } from "./client.ts";
import type { EngineHabits } from "./engine.ts";
import type { Random } from "./random.ts";
import type { Way } from "./socket.ts";

export interface PoolPlan {
  readonly protocol: "redis" | "memcache";
  readonly servers: number;
  readonly clients: number;
  readonly timeoutMs: number | null;
  readonly connectTimeoutMs: number;
  readonly serverConnections: number;
  readonly preconnect: boolean;
  /** How long a request may wait to be sent; null: see `timeoutMs`. */
  readonly queueTimeoutMs: number | null;
  /** Null: servers are not ejected. */
  readonly retryTimeoutMs: number | null;
  /** So long there are faults. */
  readonly loadMs: number;
  /** One of the servers hangs from the start. */
  readonly startsInTrouble: boolean;
  readonly handOvers: number;
  /** How likely calls of a hand-over fail. */
  readonly callFailures: number;
  readonly faults: number;
  /** Servers tell lies. */
  readonly lies: boolean;
  /** Bytes come and go a few at a time. */
  readonly isFine: boolean;
  /** Values are long, and clients often rest from reading. */
  readonly isHeavy: boolean;
}

const HEAVY_TIMEOUT_MS = 5_000;

export function planPool(random: Random): PoolPlan {
  const protocol = random.chance(0.6) ? "redis" : "memcache";
  const lies = random.chance(0.25);
  // Without a time-out a reply that is lost is waited for.
  const timeoutMs = !lies && random.chance(0.3) ? null : random.pick([200, 400, 1000]);
  const isCalm = random.chance(0.15);
  const plan: PoolPlan = {
    ...{ protocol, lies, timeoutMs },
    isFine: random.chance(0.35),
    servers: random.between(1, 4),
    clients: random.between(1, 5),
    connectTimeoutMs: random.pick([300, 1000, 5000]),
    serverConnections: random.chance(0.7) ? 1 : random.between(2, 3),
    preconnect: random.chance(0.3),
    retryTimeoutMs: random.chance(0.15) ? random.pick([300, 1000]) : null,
    loadMs: random.pick([200, 500, 1500]),
    startsInTrouble: random.chance(0.2),
    handOvers: random.chance(0.4) ? random.between(1, 3) : 0,
    callFailures: random.pick([0, 0, 0.05, 0.3]),
    faults: isCalm ? 0 : random.between(1, 6),
    isHeavy: random.chance(0.1),
    queueTimeoutMs: random.chance(0.2) ? random.pick([50, 300]) : null,
  };
  if (!plan.isHeavy) return plan;
  // Much takes long, without anything being wrong.
  return { ...plan, timeoutMs: timeoutMs === null ? null : HEAVY_TIMEOUT_MS, queueTimeoutMs: null };
}

/** @param isFine little goes at a time, and quickly */
export function planWay(random: Random, isFine: boolean): Way {
  return {
    leastMs: random.pick([0, 0.05, 0.5]),
    mostMs: isFine ? 0.5 : random.pick([0.5, 1, 10]),
    pieces: random.pick([1, 2, 5]),
    capacity: isFine ? random.pick([64, 300, 65_536]) : random.pick([65_536, 1_000_000]),
  };
}

export function planEngine(random: Random, isFine: boolean): EngineHabits {
  return {
    isStable: random.chance(0.4),
    holdsOutput: random.chance(0.5),
    readMost: isFine ? random.pick([5, 32, 128]) : random.pick([2048, 65_536]),
    lookMs: random.pick(isFine ? [0, 0.001] : [0, 0.001, 0.1]),
    turnMs: isFine ? 0 : random.pick([0, 0.2, 3]),
  };
}

export function planClient(
  random: Random,
  { isFine, isHeavy }: Pick<PoolPlan, "isFine" | "isHeavy">,
): ClientHabits {
  const habits: ClientHabits = {
    thinkMs: random.pick([5, 30, 200]),
    batch: random.pick(isFine ? [1, 3] : [1, 3, 10]),
    version: random.chance(0.4) ? 3 : 2,
    valueBytes: random.pick(isFine ? [16, 100] : [16, 200, 5000]),
    hasTransactions: random.chance(0.5),
    blocks: random.chance(0.3),
    whims: random.chance(0.5) ? 0 : 0.1,
  };
  if (!isHeavy) return habits;
  return { ...habits, valueBytes: isFine ? 3000 : random.pick([70_000, 200_000]), whims: 0.3 };
}

/** The configuration of the proxy, in its native form. @param names of the servers; the ports count from 1 */
export function configText(plan: PoolPlan, names: readonly string[]): string {
  const lines = [
    "client_memory: none",
    "accept: shared",
    "pools:",
    "  pool:",
    "    listen: 127.0.0.1:65535",
    `    protocol: ${plan.protocol}`,
    `    timeout: ${plan.timeoutMs === null ? "none" : `${plan.timeoutMs}ms`}`,
    `    connect_timeout: ${plan.connectTimeoutMs}ms`,
    `    queue_timeout: ${plan.queueTimeoutMs === null ? "none" : `${plan.queueTimeoutMs}ms`}`,
    `    server_connections: ${plan.serverConnections}`,
    `    preconnect: ${plan.preconnect}`,
    "    hash: fnv1a_64",
    "    distribution: ketama",
    '    hash_tag: "{}"',
    `    servers: [${names.map((name, at) => `127.0.0.1:${at + 1}:1 ${name}`).join(", ")}]`,
  ];
  if (plan.retryTimeoutMs !== null) {
    lines.push("    auto_eject_hosts: true", `    server_retry_timeout: ${plan.retryTimeoutMs}ms`);
  }
  return `${lines.join("\n")}\n`;
}
