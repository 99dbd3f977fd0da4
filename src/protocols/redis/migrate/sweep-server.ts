/** Looks at all keys of one server, in all of its databases, and moves those that leave it: for the sweeper, which has no clients. */
import type {
  PoolHost,
  SweepProgress,
  SweepResult,
  SweepWork,
} from "../../../api/protocol-module.ts";
import { ACCESS, PlainFacts } from "../../../api/request-facts.ts";
import type { Upstream } from "../../../api/upstream.ts";
import { SWEEP_BATCH_KEYS, SWEEP_REST_MS_MAX } from "../../../base/migration-limits.ts";
import { shownKey } from "../../../base/shown-key.ts";
import type { Wakeable } from "../../../base/turn.ts";
import type { Decoded } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import { readRedisOptions } from "../options.ts";
import { AskError, askServer, keyspaceOf } from "./ask-server.ts";
import type { KeyMover } from "./key-mover.ts";
import { keyOf, nameOf } from "./key-name.ts";
import { isLock } from "./move-commands.ts";

const SECOND_MS = 1_000;
/** Of the time that a slow server took, it is left alone so many times as much. */
const REST_FACTOR = 10;
const SWEEP_REST_PIECE_MS = 250;

export async function sweepServer(
  mover: KeyMover,
  host: PoolHost,
  server: Upstream,
  work: SweepWork,
): Promise<SweepResult | null> {
  return await new ServerSweep(mover, host, server, work).run();
}

class ServerSweep {
  private readonly mover: KeyMover;
  private readonly host: PoolHost;
  private readonly server: Upstream;
  private readonly work: SweepWork;
  private keys = 0;
  private seen = 0;
  private found = 0;
  private failed = 0;
  private why = "";
  private example = "";

  constructor(mover: KeyMover, host: PoolHost, server: Upstream, work: SweepWork) {
    this.mover = mover;
    this.host = host;
    this.server = server;
    this.work = work;
  }

  async run(): Promise<SweepResult | null> {
    try {
      const databases = await this.databases();
      for (const [, keys] of databases) this.keys += keys;
      for (const [database] of databases) await this.sweep(database);
    } catch (error) {
      if (!(error instanceof AskError)) throw error;
      this.failed++;
      this.why = error.message;
    }
    if (this.work.isStopped()) return null;
    this.work.onProgress(this.progress);
    return { ...this.progress, failed: this.failed, why: this.why, example: this.example };
  }

  private get progress(): SweepProgress {
    const { keys, seen, found } = this;
    return { keys, seen, found };
  }

  /** Those that have keys, and how many. */
  private async databases(): Promise<readonly (readonly [database: number, keys: number])[]> {
    const { database } = readRedisOptions(this.host.config.options);
    const all = keyspaceOf(await this.ask(0, encodeRequest("INFO", "keyspace")));
    // Clients see the one of the configuration as 0, and no other.
    if (database === 0) return all;
    return all.flatMap(([name, keys]) => (name === database ? [[0, keys] as const] : []));
  }

  private async sweep(database: number): Promise<void> {
    let cursor = "0";
    do {
      const startedMs = this.host.turn.nowMs;
      const request = encodeRequest("SCAN", cursor, "COUNT", `${SWEEP_BATCH_KEYS}`);
      const reply = await this.ask(database, request);
      const tookMs = this.host.turn.nowMs - startedMs;
      const [next, keys] = Array.isArray(reply) ? (reply as readonly Decoded[]) : [];
      if (!Buffer.isBuffer(next) || !Array.isArray(keys)) {
        throw new AskError("it does not answer SCAN as it should");
      }
      cursor = next.toString("latin1");
      const moved = await this.take(database, keys as readonly Decoded[]);
      this.work.onProgress(this.progress);
      await this.rest(moved, startedMs, tookMs);
    } while (cursor !== "0" && !this.work.isStopped());
  }

  /** Moves, or counts, what is meant of `keys`. @returns how many */
  private async take(database: number, keys: readonly Decoded[]): Promise<number> {
    const names: string[] = [];
    const { work, server, mover, host } = this;
    const facts = new PlainFacts();
    for (const key of keys) {
      if (!Buffer.isBuffer(key)) continue;
      this.seen++;
      if (isLock(key)) continue;
      const source = work.moving.sourceOf(facts.ofKey(key, ACCESS.write));
      const target = host.route.pick(facts.ofKey(key, ACCESS.write));
      if (source === null || target === null) continue;
      if (!work.isMove) {
        this.count(key, source, work.moving.targetOf(facts));
        continue;
      }
      if (source !== server) continue;
      const name = nameOf(database, key.toString("latin1"));
      const problem = mover.move(name, { key: Buffer.from(key), source, target }, database);
      if (problem === null) names.push(name);
      else this.fail(key, problem);
    }
    await this.settled(names);
    return names.length;
  }

  /** A key that belongs here by the new ring, and is not here by the old one, would hide the one that comes. */
  private count(key: Buffer, source: Upstream, target: Upstream | null): void {
    if (target !== this.server || source.address === this.server.address) return;
    this.found++;
    this.example = shownKey(key);
  }

  private fail(key: Buffer, why: string): void {
    this.failed++;
    this.why = `key ${shownKey(key)}: ${why}`;
  }

  private async settled(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const done = Promise.withResolvers<void>();
      const waiter: Wakeable = { isWoken: false, wakeUp: () => done.resolve() };
      if (!this.mover.isSettled(name) && this.mover.failureOf(name) === null) {
        this.mover.wakeAfter(name, waiter);
        await done.promise;
      }
      const failure = this.mover.failureOf(name);
      if (failure === null) this.found++;
      else this.fail(keyOf(name), failure);
    }
  }

  /** Keeps to the rate, and leaves a server alone that is slow. */
  private async rest(moved: number, startedMs: number, tookMs: number): Promise<void> {
    const { migrateRate, migrateLatencyMs } = readRedisOptions(this.host.config.options);
    const dueMs = startedMs + (moved * SECOND_MS) / migrateRate - this.host.turn.nowMs;
    const slowMs = tookMs > migrateLatencyMs ? tookMs * REST_FACTOR : 0;
    let leftMs = Math.max(dueMs, Math.min(slowMs, SWEEP_REST_MS_MAX));
    // In pieces, because it may be stopped meanwhile.
    while (leftMs > 0 && !this.work.isStopped()) {
      const pieceMs = Math.min(leftMs, SWEEP_REST_PIECE_MS);
      await new Promise<void>((resolve) => void this.host.schedule(pieceMs, resolve));
      leftMs -= pieceMs;
    }
  }

  private async ask(database: number, request: Buffer): Promise<Decoded> {
    const kind = this.mover.kindFor(database);
    if (kind === null) throw new AskError("too many databases have keys");
    return await askServer(this.server.connection(0, kind), request);
  }
}
