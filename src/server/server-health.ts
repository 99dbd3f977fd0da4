/**
 * Whether a server does what is asked of it, as its connections tell.
 *
 * The first trouble is logged and shown by `proxy status`, and so is the first reply after it. A server that was in trouble
 * `serverFailureLimit` times in a row has failed; `Ejections` decides what follows from that.
 */
import type { MetricBlock } from "../api/metrics.ts";
import { SERVER, TROUBLE_KINDS } from "../api/stats.ts";
import type { Failure } from "../api/upstream.ts";
import type { Logger } from "../base/log.ts";
import type { Ejectable, Ejections } from "./ejections.ts";

export interface ServerHealthOptions {
  readonly server: Ejectable;
  readonly name: string;
  /** So many troubles in a row are a failure. */
  readonly failureLimit: number;
  /** Null: a server stays in the ring whatever happens. */
  readonly ejections: Ejections | null;
  readonly log: Logger;
  /** The server's; where they are may change. */
  readonly counters: MetricBlock;
  /** Milliseconds since the epoch. */
  readonly epochMs: () => number;
  /** It had failed, and has answered. */
  readonly onRecovered: () => void;
}

export class ServerHealth {
  /** It failed too often, and has not answered since. */
  hasFailed = false;
  /** It is no longer one of its pool's: what becomes of it is of no interest any more. */
  isRetired = false;
  private readonly options: ServerHealthOptions;
  private troubles = 0;
  private isAvailable = true;

  constructor(options: ServerHealthOptions) {
    this.options = options;
  }

  /** A request was answered. */
  onReply(): void {
    if (this.isAvailable && this.troubles === 0) return;
    this.troubles = 0;
    this.announceBack();
  }

  /** A connection has come about. */
  onUp(): void {
    if (this.isRetired) return;
    this.announceBack();
    if (!this.hasFailed) return;
    this.hasFailed = false;
    this.troubles = 0;
    this.options.onRecovered();
    this.options.ejections?.onAnswered(this.options.server);
  }

  private announceBack(): void {
    if (this.isAvailable || this.isRetired) return;
    this.isAvailable = true;
    this.tell(null);
    const { log, name, ejections, server } = this.options;
    log.info("server is back", { server: name });
    ejections?.onReply(server);
  }

  retire(): void {
    if (!this.isAvailable) this.tell(null);
    this.isRetired = true;
  }

  onTrouble(failure: Failure): void {
    if (this.isRetired) return;
    const { log, name, ejections, server, failureLimit } = this.options;
    if (this.isAvailable) {
      log.warn("server is in trouble", { server: name, reason: failure.text });
      this.tell(failure);
    }
    this.isAvailable = false;
    this.troubles++;
    ejections?.onTrouble(server);
    if (ejections === null || this.hasFailed || this.troubles < failureLimit) return;
    this.hasFailed = true;
    this.troubles = 0;
    ejections.onFailed(server);
  }

  /** For `proxy status`; null: it is well. */
  private tell(failure: Failure | null): void {
    const { counters, epochMs } = this.options;
    const { values, base } = counters;
    const kinds: readonly string[] = TROUBLE_KINDS;
    const isIn = failure !== null;
    values[base + SERVER.in_trouble] = isIn ? 1 : 0;
    values[base + SERVER.trouble_since] = isIn ? epochMs() * 1000 : 0;
    values[base + SERVER.trouble_kind] = isIn ? kinds.indexOf(failure.kind) + 1 : 0;
  }
}
