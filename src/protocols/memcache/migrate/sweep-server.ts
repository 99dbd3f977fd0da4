/** Looks at all keys of one server, and moves those that leave it, those that are read first: for the sweeper, which has no clients. */
import type {
  PoolHost,
  SweepProgress,
  SweepResult,
  SweepWork,
} from "../../../api/protocol-module.ts";
import { ACCESS, PlainFacts } from "../../../api/request-facts.ts";
import type { Upstream } from "../../../api/upstream.ts";
import {
  LIST_AGAIN_MS,
  LISTED_KEYS_MAX,
  SWEEP_BATCH_KEYS,
  SWEEP_REST_MS_MAX,
} from "../../../base/migration-limits.ts";
import { shownKey } from "../../../base/shown-key.ts";
import { readMigratePace } from "../../moved-keys.ts";
import { settledAll } from "../../settled-all.ts";
import { AskError, askServer, statisticsOf } from "./ask-server.ts";
import { isLock } from "./item-commands.ts";
import type { ItemMover } from "./item-mover.ts";
import { type ListedKey, listKeys } from "./list-keys.ts";

const SECOND_MS = 1_000;
/** Of the time that a slow server took, it is left alone so many times as much. */
const REST_FACTOR = 10;
const REST_PIECE_MS = 250;
/** A key's move asks servers so often. */
const STEPS = 5;

export async function sweepServer(
  mover: ItemMover,
  host: PoolHost,
  server: Upstream,
  work: SweepWork,
): Promise<SweepResult | null> {
  return await new ServerSweep(mover, host, server, work).run();
}

/** Keys that leave the server, as far as one list is to hold them. */
interface Leaving {
  readonly read: ListedKey[];
  readonly others: ListedKey[];
  locks: number;
  staying: number;
}

class ServerSweep {
  private readonly mover: ItemMover;
  private readonly host: PoolHost;
  private readonly server: Upstream;
  private readonly work: SweepWork;
  private readonly facts: PlainFacts = new PlainFacts();
  private keys = 0;
  private seen = 0;
  private found = 0;
  private failed = 0;
  private why = "";
  private example = "";

  constructor(mover: ItemMover, host: PoolHost, server: Upstream, work: SweepWork) {
    this.mover = mover;
    this.host = host;
    this.server = server;
    this.work = work;
  }

  async run(): Promise<SweepResult | null> {
    try {
      this.keys = (await statisticsOf(this.server)).keys;
      if (this.work.isMove) await this.moveAll();
      else await this.look();
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

  /** Before keys move: what would hide them, and whether all servers know what is needed. */
  private async look(): Promise<void> {
    for (const server of new Set([this.server, ...this.work.moving.sources])) {
      try {
        await askServer(server, "mg proxy:moving:? s");
      } catch (error) {
        if (!(error instanceof AskError)) throw error;
        throw new AskError(
          `meta commands, which memcached has from 1.6 on, at ${server.address}: ${error.message}`,
        );
      }
    }
    await this.list(({ name }) => {
      this.seen++;
      const key = Buffer.from(name, "latin1");
      const source = this.work.moving.sourceOf(this.facts.ofKey(key, ACCESS.write));
      const target = this.work.moving.targetOf(this.facts);
      // A key that belongs here by the new ring, and is not here by the old one, would hide the one that comes.
      if (isLock(key) || source === null || target !== this.server) return true;
      if (source.address === this.server.address) return true;
      this.found++;
      this.example = shownKey(key);
      return true;
    });
  }

  /** Until a list has none that leave, and no lock: what has begun with one may still need it. */
  private async moveAll(): Promise<void> {
    while (!this.work.isStopped() && this.failed === 0) {
      const leaving = await this.leaving();
      this.seen = this.found + leaving.staying;
      this.work.onProgress(this.progress);
      const all = [...leaving.read.sort((a, b) => b.readAt - a.readAt), ...leaving.others];
      const isClean = all.length === 0;
      if (isClean && leaving.locks === 0) return;
      while (all.length > 0 && !this.work.isStopped()) {
        await this.move(all.splice(0, SWEEP_BATCH_KEYS).map(({ name }) => name));
        this.work.onProgress(this.progress);
      }
      if (isClean) await this.pause(LIST_AGAIN_MS);
    }
  }

  private async leaving(): Promise<Leaving> {
    const leaving: Leaving = { read: [], others: [], locks: 0, staying: 0 };
    await this.list((listed) => {
      const key = Buffer.from(listed.name, "latin1");
      if (isLock(key)) leaving.locks++;
      else if (this.work.moving.sourceOf(this.facts.ofKey(key, ACCESS.write)) !== this.server)
        leaving.staying++;
      else if (listed.isRead) leaving.read.push(listed);
      else if (leaving.others.length < LISTED_KEYS_MAX) leaving.others.push(listed);
      return leaving.read.length < LISTED_KEYS_MAX;
    });
    return leaving;
  }

  private async list(onKey: (key: ListedKey) => boolean): Promise<void> {
    while (!this.work.isStopped()) {
      if (await listKeys(this.host, this.server, onKey)) return;
      await this.pause(LIST_AGAIN_MS);
    }
  }

  private async move(names: readonly string[]): Promise<void> {
    const { mover, host, server } = this;
    const startedMs = host.turn.nowMs;
    const moved: string[] = [];
    for (const name of names) {
      const target = host.route.pick(this.facts.ofKey(Buffer.from(name, "latin1"), ACCESS.write));
      if (target === null) continue;
      const problem = mover.move(name, server, target);
      if (problem === null) moved.push(name);
      else this.fail(name, problem);
    }
    await settledAll(mover, moved, (name, failure) => {
      if (failure === null) {
        this.found++;
        this.seen++;
      } else this.fail(name, failure);
    });
    await this.rest(moved.length, startedMs, (host.turn.nowMs - startedMs) / STEPS);
  }

  /** Keeps to the rate, and leaves servers alone that are slow. */
  private async rest(moved: number, startedMs: number, tookMs: number): Promise<void> {
    const { migrateRate, migrateLatencyMs } = readMigratePace(this.host.config.options);
    const dueMs = startedMs + (moved * SECOND_MS) / migrateRate - this.host.turn.nowMs;
    const slowMs = tookMs > migrateLatencyMs ? tookMs * REST_FACTOR : 0;
    await this.pause(Math.max(dueMs, Math.min(slowMs, SWEEP_REST_MS_MAX)));
  }

  /** In pieces, because it may be stopped meanwhile. */
  private async pause(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0 && !this.work.isStopped(); leftMs -= REST_PIECE_MS) {
      const pieceMs = Math.min(leftMs, REST_PIECE_MS);
      await new Promise<void>((resolve) => void this.host.schedule(pieceMs, resolve));
    }
  }

  private fail(name: string, why: string): void {
    this.failed++;
    this.why = `key ${shownKey(Buffer.from(name, "latin1"))}: ${why}`;
  }
}
