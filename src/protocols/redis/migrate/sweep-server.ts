/** Looks at all keys of one server, and moves those that leave it: for the sweeper, which has no clients. */
import type {
  PoolHost,
  SweepProgress,
  SweepResult,
  SweepWork,
} from "../../../api/protocol-module.ts";
import { ACCESS, PlainFacts } from "../../../api/request-facts.ts";
import type { Upstream } from "../../../api/upstream.ts";
import { shownKey } from "../../../base/shown-key.ts";
import { settledAll } from "../../settled-all.ts";
import { AskError } from "./ask-server.ts";
import type { KeyMover } from "./key-mover.ts";
import { keyOf, nameOf } from "./key-name.ts";
import { ServerScan } from "./scan-server.ts";

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
  private readonly scan: ServerScan;
  private found = 0;
  private failed = 0;
  private why = "";
  private example = "";

  constructor(mover: KeyMover, host: PoolHost, server: Upstream, work: SweepWork) {
    this.mover = mover;
    this.host = host;
    this.server = server;
    this.work = work;
    const kindFor = (database: number) => mover.kindFor(database);
    const { isStopped, isMove: followsLocks } = work;
    this.scan = new ServerScan({ host, server, kindFor, isStopped, followsLocks });
  }

  async run(): Promise<SweepResult | null> {
    try {
      await this.scan.run(async (database, keys) => {
        const moved = await this.take(database, keys);
        this.work.onProgress(this.progress);
        return moved;
      });
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
    const { scan, found } = this;
    return { keys: scan.keys, seen: scan.seen, found };
  }

  /** Moves, or counts, what is meant of `keys`. @returns how many */
  private async take(database: number, keys: readonly Buffer[]): Promise<number> {
    // A key and its lock have one name.
    const names = new Set<string>();
    const { work, server, mover, host } = this;
    const facts = new PlainFacts();
    for (const key of keys) {
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
      if (problem === null) names.add(name);
      else this.fail(key, problem);
    }
    await settledAll(mover, [...names], (name, failure) => {
      if (failure === null) this.found++;
      else this.fail(keyOf(name), failure);
    });
    return names.size;
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
}
