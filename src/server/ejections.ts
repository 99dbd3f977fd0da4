/**
 * Which servers of one pool are out of its ring, in one worker.
 *
 *             failed too often, and there is room          answers, and the others that
 *   in ring ────────────────────────────────────▶ ejected ──────────────────────────────▶ in ring
 *      │                                             ▲       answer with it are awaited
 *      │ failed too often, no room                   │
 *      └──────────────▶ kept: its keys get errors ───┘ there is room, and no server has come back lately
 *
 * A key that moves may be written where it went, and is old when its server returns. So keys move only from a few
 * failed servers to many that work: at most `outMax` servers are out or in trouble. When all have failed, all are put back:
 * nothing is served anyhow, and each returns with its own keys. While servers are coming back, none is ejected.
 */
import type { PoolConfig } from "../api/config.ts";
import { RETURN_TOGETHER_MS } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";

/** A server, as far as it is ejected. */
export interface Ejectable {
  readonly isEjected: boolean;
  /** It has failed, and leaves the ring. */
  eject(): void;
  /** It has failed, and stays in the ring. */
  keep(): void;
  /** It is in the ring again, whether it works or not. */
  restore(): void;
  /** Another server has come back: it is worth asking this one, too. */
  probe(): void;
}

/** How many of a pool's servers may be out at once: one at least. */
export function ejectedMax(servers: number, { maxEjectionPercent }: PoolConfig): number {
  return Math.max(1, Math.floor((servers * maxEjectionPercent) / 100));
}

export interface EjectionsOptions {
  /** Servers of the pool. */
  readonly total: () => number;
  /** Most of them that may be out at once, unless all have failed. */
  readonly outMax: () => number;
  /** Keys of a server that is out have a place of their own to go to: it need not be among the other servers. */
  readonly hasSpares?: boolean;
  /** Within this time every failed server is probed. */
  readonly probeIntervalMs: () => number;
  readonly schedule: Schedule;
  /** Servers have left the ring or are in it again. */
  readonly onChange: () => void;
}

export class Ejections {
  private readonly options: EjectionsOptions;
  /** Servers of which the last that was heard is trouble. */
  private readonly suspects: Set<Ejectable> = new Set();
  /** Servers that have failed and not answered since, the longest failed first. */
  private readonly failed: Set<Ejectable> = new Set();
  /** Those that are out of the ring. */
  private readonly out: Set<Ejectable> = new Set();
  private cancelReturn: (() => void) | null = null;
  private cancelSettle: (() => void) | null = null;
  private settlesLong = false;

  constructor(options: EjectionsOptions) {
    this.options = options;
  }

  onTrouble(server: Ejectable): void {
    if (!this.failed.has(server)) this.suspects.add(server);
  }

  /** `server` has failed too often. To be called once, until `onAnswered`. */
  onFailed(server: Ejectable): void {
    const { onChange } = this.options;
    const total = this.options.total();
    this.suspects.delete(server);
    const leavesOthers = this.options.hasSpares === true || this.failed.size + 1 < total;
    const leaves = this.room > 0 && this.keptCount === 0 && leavesOthers;
    this.failed.add(server);
    if (leaves) {
      this.out.add(server);
      server.eject();
      onChange();
    } else {
      server.keep();
      if (this.room > 0) this.settleLater(false);
    }
    if (this.haveAllFailed) this.restore(() => true);
  }

  /** Nothing is served anyhow. */
  private get haveAllFailed(): boolean {
    const { total, hasSpares } = this.options;
    return hasSpares !== true && this.failed.size > 0 && this.failed.size === total();
  }

  /** A reply came from `server`, which was in trouble, or had failed. */
  onReply(server: Ejectable): void {
    if (this.suspects.delete(server) && this.keptCount > 0) this.settleLater(false);
  }

  /** `server`, which had failed, has answered. */
  onAnswered(server: Ejectable): void {
    this.failed.delete(server);
    for (const other of [...this.failed]) other.probe();
    if (this.keptCount > 0) this.settleLater(true);
    if (!this.out.has(server)) return;
    const awaitsOthers = [...this.out].some((other) => this.failed.has(other));
    if (!awaitsOthers) this.restoreAnswered();
    else if (this.cancelReturn === null) {
      const { probeIntervalMs, schedule } = this.options;
      const delayMs = Math.min(probeIntervalMs(), RETURN_TOGETHER_MS);
      this.cancelReturn = schedule(delayMs, () => this.restoreAnswered());
    }
  }

  /** More may be out, or fewer: servers that were kept may leave. Those that are out stay it until they answer. */
  onSettings(): void {
    if (this.keptCount > 0 && this.room > 0) this.settleLater(false);
  }

  /** `server` is no longer one of the pool's. */
  forget(server: Ejectable): void {
    this.suspects.delete(server);
    this.failed.delete(server);
    this.out.delete(server);
    // Those that are left may all have failed.
    if (this.haveAllFailed) this.restore(() => true);
  }

  close(): void {
    this.cancelReturn?.();
    this.cancelSettle?.();
  }

  /** So many more may leave the ring. */
  private get room(): number {
    return this.options.outMax() - this.out.size - this.suspects.size;
  }

  /** Failed servers that are in the ring. */
  private get keptCount(): number {
    let kept = 0;
    for (const server of this.failed) if (!this.out.has(server)) kept++;
    return kept;
  }

  private restoreAnswered(): void {
    this.restore((server) => !this.failed.has(server));
    // There may be room for servers that were kept, but those that have just come back shall have shown first that they last.
    if (this.keptCount > 0) this.settleLater(true);
  }

  private restore(mayReturn: (server: Ejectable) => boolean): void {
    this.cancelReturn?.();
    this.cancelReturn = null;
    const returning = [...this.out].filter(mayReturn);
    if (returning.length === 0) return;
    for (const server of returning) {
      this.out.delete(server);
      server.restore();
    }
    this.options.onChange();
  }

  /** @param isLong for as long as every server takes to be probed, else only for servers that answer at nearly the same time */
  private settleLater(isLong: boolean): void {
    const { probeIntervalMs, schedule } = this.options;
    if (this.settlesLong && !isLong) return;
    this.cancelSettle?.();
    this.settlesLong = isLong;
    const delayMs = isLong ? Math.max(probeIntervalMs(), RETURN_TOGETHER_MS) : RETURN_TOGETHER_MS;
    this.cancelSettle = schedule(delayMs, () => {
      this.cancelSettle = null;
      this.settlesLong = false;
      this.settle();
    });
  }

  /** Every failed server had its chance to come back: those for which there is room leave after all. */
  private settle(): void {
    const { onChange } = this.options;
    if (this.haveAllFailed) return;
    let hasChanged = false;
    for (const server of this.failed) {
      if (this.room <= 0) break;
      if (this.out.has(server)) continue;
      this.out.add(server);
      server.eject();
      hasChanged = true;
    }
    if (hasChanged) onChange();
  }
}
