/** Goes over all keys of one server, in all of its databases, no faster than the pool's options say. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { ConnectionKind, Upstream } from "../../../api/upstream.ts";
import { SWEEP_BATCH_KEYS, SWEEP_REST_MS_MAX } from "../../../base/migration-limits.ts";
import type { Decoded } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import { readRedisOptions } from "../options.ts";
import { AskError, askServer, keyspaceOf } from "./ask-server.ts";
import { isLock, lockedKey } from "./move-commands.ts";

const SECOND_MS = 1_000;
/** Of the time that a slow server took, it is left alone so many times as much. */
const REST_FACTOR = 10;
const SWEEP_REST_PIECE_MS = 250;

/** Looks at some keys. @returns how many of them were moved */
export type TakeKeys = (database: number, keys: readonly Buffer[]) => Promise<number>;

export interface ScanOptions {
  readonly host: PoolHost;
  readonly server: Upstream;
  /** Null: there are too many kinds of connections. */
  readonly kindFor: (database: number) => ConnectionKind | null;
  readonly isStopped: () => boolean;
  /** A lock stands for its key: what has begun with it may still put the key there. */
  readonly followsLocks: boolean;
}

export class ServerScan {
  /** All that it has, as it says itself, and those that were seen. Locks are among both. */
  keys = 0;
  seen = 0;
  private readonly options: ScanOptions;

  constructor(options: ScanOptions) {
    this.options = options;
  }

  /** @throws AskError: not all were seen */
  async run(take: TakeKeys): Promise<void> {
    const databases = await this.databases();
    for (const [, keys] of databases) this.keys += keys;
    for (const [database] of databases) await this.scan(database, take);
  }

  /** Those that have keys, and how many. */
  private async databases(): Promise<readonly (readonly [database: number, keys: number])[]> {
    const { host, server } = this.options;
    const { database } = readRedisOptions(host.config.options);
    const all = keyspaceOf(await this.ask(server, 0, encodeRequest("INFO", "keyspace")));
    // Clients see the one of the configuration as 0, and no other.
    if (database === 0) return all;
    return all.flatMap(([name, keys]) => (name === database ? [[0, keys] as const] : []));
  }

  private async scan(database: number, take: TakeKeys): Promise<void> {
    const { host, server, isStopped, followsLocks } = this.options;
    let cursor = "0";
    do {
      const startedMs = host.turn.nowMs;
      const request = encodeRequest("SCAN", cursor, "COUNT", `${SWEEP_BATCH_KEYS}`);
      const reply = await this.ask(server, database, request);
      const tookMs = host.turn.nowMs - startedMs;
      const [next, keys] = Array.isArray(reply) ? (reply as readonly Decoded[]) : [];
      if (!Buffer.isBuffer(next) || !Array.isArray(keys)) {
        throw new AskError("it does not answer SCAN as it should");
      }
      cursor = next.toString("latin1");
      const found = (keys as readonly Decoded[]).filter((key) => Buffer.isBuffer(key));
      this.seen += found.length;
      const meant = found.flatMap((key) => {
        if (!isLock(key)) return [key];
        return followsLocks ? [lockedKey(key)] : [];
      });
      const moved = await take(database, meant);
      await this.rest(moved, startedMs, tookMs);
    } while (cursor !== "0" && !isStopped());
  }

  /** Keeps to the rate, and leaves a server alone that is slow. */
  private async rest(moved: number, startedMs: number, tookMs: number): Promise<void> {
    const { host, isStopped } = this.options;
    const { migrateRate, migrateLatencyMs } = readRedisOptions(host.config.options);
    const dueMs = startedMs + (moved * SECOND_MS) / migrateRate - host.turn.nowMs;
    const slowMs = tookMs > migrateLatencyMs ? tookMs * REST_FACTOR : 0;
    let leftMs = Math.max(dueMs, Math.min(slowMs, SWEEP_REST_MS_MAX));
    // In pieces, because it may be stopped meanwhile.
    while (leftMs > 0 && !isStopped()) {
      const pieceMs = Math.min(leftMs, SWEEP_REST_PIECE_MS);
      await new Promise<void>((resolve) => void host.schedule(pieceMs, resolve));
      leftMs -= pieceMs;
    }
  }

  /** Asks any server of the pool. @throws AskError */
  async ask(server: Upstream, database: number, request: Buffer): Promise<Decoded> {
    const kind = this.options.kindFor(database);
    if (kind === null) throw new AskError("too many databases have keys");
    return await askServer(server.connection(0, kind), request);
  }
}
