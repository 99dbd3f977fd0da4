/**
 * Faults of servers by chance, from a seed, under a load that knows what each reply must be.
 *
 * Four Redis servers behind one pool: two are reached directly and are killed, stopped and started again, two through a relay that becomes
 * slow or sends garbage. At most half of them are ill at once. A reply is wrong when it belongs to another key, or has what was never
 * written; an error is out of place when no server that has to do with its key is ill, or was a moment ago.
 */
import { ChaosRelay } from "./chaos-relay.ts";
import { freePort } from "./free-port.ts";
import { keysByServer, type ProxyProcess, startProxy } from "./proxy-process.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";

const HOST = "127.0.0.1";
const SERVERS = 4;
const ILL_MAX = SERVERS / 2;
/** Which ask all servers, one after the other: while one of these hangs, they wait for it. */
const CLIENTS = 16;
/** For each server, which ask no other: they see it come back. */
const CLIENTS_PER_SERVER = 2;
const KEYS_PER_CLIENT_AND_SERVER = 4;
export const CHAOS_INTERVAL_MS = 300;
/** Errors of a server that has just recovered may still be on their way to their clients. */
const GRACE_MS = 3_000;
/** Until all is as warm as later on. */
const WARM_UP_MS = 1_500;
const QUIET_MS = 5_000;
const REPLY_DEADLINE_MS = 15_000;
/** Errors that tell of a server which did not answer in time. */
const LATE = /timed out|within \d+ ms/;

export interface ChaosOptions {
  readonly seconds: number;
  readonly onDown: "fail" | "rehash";
  readonly seed: number;
  /** Which faults are played; default: all. */
  readonly faults?: readonly Fault[];
  /** The machine does other things meanwhile: a server that is well may be late as well, and an error that says so is none out of place. */
  readonly isBusy?: boolean;
  /** Told what happens, one line each. */
  readonly tell?: (line: string) => void;
}

export interface ChaosReport {
  requests: number;
  /** Of keys of servers that were ill. */
  errors: number;
  errorsOutOfPlace: number;
  wrong: number;
  /** Older than what was acknowledged: with `rehash` that may be, when keys come back. */
  stale: number;
  unanswered: number;
  closed: number;
  readonly faults: Record<string, number>;
  /** From the end of a fault to the first good reply of its server, by fault: the longest. */
  readonly recoveriesMs: Record<string, number>;
  /** Of requests to servers that are well: before the first fault, and from then on. */
  p99QuietMs: number;
  p99OthersMs: number;
  /** What was wrong or out of place first. */
  readonly examples: string[];
}

export const FAULTS = ["kill", "stop", "slow", "garbage"] as const;
export type Fault = (typeof FAULTS)[number];
/** Of a server that is reached directly, and of one behind a relay. */
const DIRECT: readonly Fault[] = ["kill", "stop"];
const RELAYED: readonly Fault[] = ["slow", "garbage", "stop"];

class Victim {
  readonly index: number;
  readonly port: number;
  redis: RedisServer | null = null;
  relay: ChaosRelay | null = null;
  isIll = false;
  /** The last one. */
  fault: Fault = "stop";
  wellSinceMs = Number.NEGATIVE_INFINITY;
  /** Its data may be gone since. */
  lostAtMs = Number.NEGATIVE_INFINITY;
  awaitsRecovery = false;

  constructor(index: number) {
    this.index = index;
    this.port = freePort(HOST);
  }

  get mayFail(): boolean {
    return this.isIll || performance.now() - this.wellSinceMs < GRACE_MS;
  }
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { onDown } = options;
  const victims = Array.from({ length: SERVERS }, (_, index) => new Victim(index));
  let proxy: ProxyProcess | null = null;
  try {
    for (const victim of victims) {
      const isDirect = victim.index < SERVERS / 2;
      victim.redis = await startRedis(isDirect ? { port: victim.port } : {});
      if (!isDirect) victim.relay = new ChaosRelay(victim.port, victim.redis.port);
    }
    proxy = await startProxy({ config: configOf(victims, onDown), args: ["--workers", "2"] });
    const endpoint = proxy.endpoints[0]!;
    const run = new Run(victims, options);
    const load = await startLoad(run, endpoint);
    await Bun.sleep(WARM_UP_MS);
    run.latencies.length = 0;
    await Bun.sleep(QUIET_MS);
    const quiet = run.latencies.splice(0);
    await playFaults(run, options);
    await Bun.sleep(2 * GRACE_MS);
    await load.stop();
    const { report } = run;
    report.p99QuietMs = p99(quiet);
    report.p99OthersMs = p99(run.latencies);
    return report;
  } finally {
    await proxy?.stop();
    for (const { redis, relay } of victims) {
      relay?.stop();
      if (redis !== null) process.kill(redis.pid, "SIGCONT");
      await redis?.stop();
    }
  }
}

function configOf(victims: readonly Victim[], onDown: string): string {
  const lines = [
    ...[`listen: ${HOST}:${freePort(HOST)}`, "timeout: 300ms", "connect_timeout: 300ms"],
    ...[`health_check: ${CHAOS_INTERVAL_MS}ms`, "health_check_timeout: 250ms"],
    ...["health_check_fall: 2", "health_check_rise: 2", `on_down: ${onDown}`],
    "servers:",
    ...victims.map(({ port, index }) => `  - ${HOST}:${port}:1 s${index}`),
  ];
  return `pools:\n  pool:\n${lines.map((line) => `    ${line}\n`).join("")}`;
}

class Run {
  readonly victims: readonly Victim[];
  readonly onDown: string;
  readonly latencies: number[] = [];
  readonly report: ChaosReport = {
    ...{ requests: 0, errors: 0, errorsOutOfPlace: 0, wrong: 0, stale: 0, unanswered: 0 },
    ...{ closed: 0, faults: {}, recoveriesMs: {}, p99QuietMs: 0, p99OthersMs: 0, examples: [] },
  };

  readonly tell: (line: string) => void;
  private readonly isBusy: boolean;

  constructor(
    victims: readonly Victim[],
    { onDown, isBusy = false, tell = () => {} }: ChaosOptions,
  ) {
    this.victims = victims;
    this.onDown = onDown;
    this.tell = tell;
    this.isBusy = isBusy;
  }

  /** Whether the error of a server that is well is one that a busy machine explains. */
  isExplained(error: string): boolean {
    return this.isBusy && LATE.test(error);
  }

  /** Some server that may have been asked for a key of `victim` may fail. */
  mayFail(victim: Victim): boolean {
    return this.onDown === "fail" ? victim.mayFail : this.victims.some(({ mayFail }) => mayFail);
  }

  example(text: string): void {
    if (this.report.examples.length < 10) this.report.examples.push(text);
  }
}

interface KeyState {
  readonly key: string;
  readonly victim: Victim;
  written: number;
  acknowledged: number;
  acknowledgedAtMs: number;
}

async function startLoad(
  run: Run,
  endpoint: ProxyProcess["endpoints"][number],
): Promise<{ stop(): Promise<void> }> {
  const clients = CLIENTS + SERVERS * CLIENTS_PER_SERVER;
  const keys = keysByServer(SERVERS, clients * KEYS_PER_CLIENT_AND_SERVER);
  let hasStopped = false;
  const loops = Array.from({ length: clients }, async (_, client) => {
    const own = keys.flatMap((some, server) =>
      client >= CLIENTS && client % SERVERS !== server
        ? []
        : some
            .slice(client * KEYS_PER_CLIENT_AND_SERVER, (client + 1) * KEYS_PER_CLIENT_AND_SERVER)
            .map(
              (key): KeyState => ({
                ...{ key, victim: run.victims[server]!, written: 0, acknowledged: 0 },
                acknowledgedAtMs: 0,
              }),
            ),
    );
    const connection = await RespClient.connect(endpoint, REPLY_DEADLINE_MS);
    for (let at = client; !hasStopped; at++) {
      if (!(await step(run, connection, own[at % own.length]!, at))) return;
      // Clients that are refused come again, and leave the processor to others.
      await Bun.sleep(1);
    }
    connection.close();
  });
  return {
    async stop() {
      hasStopped = true;
      await Promise.all(loops);
    },
  };
}

/** @returns false: the client has no connection any more */
async function step(run: Run, client: RespClient, state: KeyState, at: number): Promise<boolean> {
  const { report } = run;
  const { key, victim } = state;
  const isWrite = Math.floor(at / 16) % 2 === 0;
  const wasWell = !run.mayFail(victim);
  const startedMs = performance.now();
  if (isWrite) state.written++;
  let reply: string;
  try {
    reply = isWrite
      ? await client.ask("SET", key, `${key}=${state.written}`)
      : await client.ask("GET", key);
  } catch {
    if (client.isClosed) report.closed++;
    else report.unanswered++;
    run.example(`${isWrite ? "SET" : "GET"} ${key}: no reply`);
    return false;
  }
  report.requests++;
  const nowMs = performance.now();
  if (reply.startsWith("-")) {
    if (run.mayFail(victim) || !wasWell || run.isExplained(reply)) report.errors++;
    else {
      report.errorsOutOfPlace++;
      run.example(`${key} of s${victim.index}: ${reply.trim()}`);
    }
    return true;
  }
  if (wasWell) run.latencies.push(nowMs - startedMs);
  if (victim.awaitsRecovery && run.onDown === "fail") {
    victim.awaitsRecovery = false;
    const tookMs = Math.round(nowMs - victim.wellSinceMs);
    report.recoveriesMs[victim.fault] = Math.max(report.recoveriesMs[victim.fault] ?? 0, tookMs);
    run.tell(`s${victim.index}: serves ${tookMs} ms after the end of ${victim.fault}`);
  }
  if (isWrite) {
    if (reply === "+OK\r\n") {
      state.acknowledged = state.written;
      state.acknowledgedAtMs = nowMs;
    } else {
      report.wrong++;
      run.example(`SET ${key}: ${reply}`);
    }
    return true;
  }
  judgeValue(run, state, reply, startedMs);
  return true;
}

function judgeValue(run: Run, state: KeyState, reply: string, startedMs: number): void {
  const { report } = run;
  const { key, victim } = state;
  const mayBeOld =
    run.onDown !== "fail" || victim.isIll || victim.lostAtMs > state.acknowledgedAtMs - 1_000;
  if (reply === "$-1\r\n") {
    if (state.acknowledged > 0 && !mayBeOld) {
      report.wrong++;
      run.example(`GET ${key}: nothing, ${state.acknowledged} was acknowledged`);
    }
    return;
  }
  const value = /^\$\d+\r\n(.*)\r\n$/s.exec(reply)?.[1] ?? "";
  const [name, number] = value.split("=");
  if (name !== key || Number(number) > state.written) {
    report.wrong++;
    run.example(`GET ${key} at ${startedMs}: ${JSON.stringify(reply)}`);
  } else if (Number(number) < state.acknowledged) {
    report.stale++;
    if (!mayBeOld) {
      report.wrong++;
      run.example(`GET ${key}: ${number}, ${state.acknowledged} was acknowledged`);
    }
  }
}

async function playFaults(
  run: Run,
  { seconds, seed, faults = FAULTS }: ChaosOptions,
): Promise<void> {
  const isPlayed = (fault: Fault): boolean => faults.includes(fault);
  const random = randomOf(seed);
  const endMs = performance.now() + seconds * 1000;
  const running = new Set<Promise<void>>();
  while (performance.now() < endMs) {
    const free = run.victims.filter((victim) => !victim.isIll);
    const ill = SERVERS - free.length;
    if (ill < ILL_MAX) {
      // Now and then half of the servers go at once.
      const count = random() < 0.25 ? ILL_MAX - ill : 1;
      for (let n = 0; n < count; n++) {
        const [victim] = free.splice(Math.floor(random() * free.length), 1);
        if (victim === undefined) break;
        const choices = (victim.relay === null ? DIRECT : RELAYED).filter(isPlayed);
        if (choices.length === 0) continue;
        const fault = choices[Math.floor(random() * choices.length)]!;
        const lastsMs = 300 + random() * 1_700;
        run.tell(`s${victim.index}: ${fault} for ${Math.round(lastsMs)} ms`);
        run.report.faults[fault] = (run.report.faults[fault] ?? 0) + 1;
        const played: Promise<void> = play(victim, fault, lastsMs).finally(() =>
          running.delete(played),
        );
        running.add(played);
      }
    }
    await Bun.sleep(200 + random() * 600);
  }
  await Promise.all(running);
}

async function play(victim: Victim, fault: Fault, lastsMs: number): Promise<void> {
  victim.isIll = true;
  victim.fault = fault;
  victim.awaitsRecovery = false;
  const { relay } = victim;
  const { pid } = victim.redis!;
  if (fault === "kill") process.kill(pid, "SIGKILL");
  else if (fault === "stop") process.kill(pid, "SIGSTOP");
  else relay!.mode = fault;
  await Bun.sleep(lastsMs);
  if (fault === "kill") {
    await victim.redis!.stop();
    victim.redis = await startRedis({ port: victim.port });
    victim.lostAtMs = performance.now();
  } else if (fault === "stop") process.kill(pid, "SIGCONT");
  else relay!.mode = "well";
  victim.wellSinceMs = performance.now();
  victim.isIll = false;
  victim.awaitsRecovery = true;
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function p99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}
