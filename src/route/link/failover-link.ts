/**
 * Sends requests to one branch of a tree, and those that fail there to another one.
 *
 *   client ─▶ FailoverLink ─▶ connection of `main` ─ refused, lost, too late ─▶ FailoverLink ─▶ InnerClient ─▶ servers of `other`
 *
 * A request that was sent and may change something is not sent again: its client hears that it may have been executed.
 */
import { KIND, type ReplyKind } from "../../api/protocol.ts";
import { ACCESS } from "../../api/request-facts.ts";
import type { RequestReader } from "../../api/request-reader.ts";
import type { TtlCap } from "../../api/ttl-cap.ts";
import type { Failure, Link, ReplySink } from "../../api/upstream.ts";
import { copyOf } from "../../base/copy-of.ts";
import type { Wakeable } from "../../base/turn.ts";
import type { InnerClient } from "./inner-client.ts";
import { KeptRequests } from "./kept-requests.ts";
import { OuterLink } from "./outer-link.ts";
import type { ShareBudget } from "./share-budget.ts";

export interface FailoverLinkOptions {
  readonly main: Link;
  readonly reader: RequestReader;
  /** The client that requests of this link are sent on by; another one when the last is closed. */
  readonly createInner: () => InnerClient;
  /** Reads that find nothing are sent on, too. */
  readonly onMisses: boolean;
  /** Not null: what is sent on, and may write, is sent as it says. */
  readonly cap: TtlCap | null;
  /** So many requests are sent on. */
  readonly count: (requests: number) => void;
  /** Of requests that were lost on `main`, or late there. One that `main` does not take goes elsewhere at once, and is asked for once. */
  readonly budget: ShareBudget;
  /** A request is not sent on, because too many were. */
  readonly onOverBudget: () => void;
}

export class FailoverLink extends OuterLink {
  private readonly options: FailoverLinkOptions;
  private readonly kept: KeptRequests = new KeptRequests();
  private inner: InnerClient | null = null;
  /** Takes replies one by one, as requests are looked at, or as sinks want it. */
  private readonly single: ReplySink;
  private readonly several: ReplySink;

  constructor(options: FailoverLinkOptions) {
    super(options.main);
    this.options = options;
    this.single = this.sinkFor(false);
    this.several = options.onMisses ? this.single : this.sinkFor(true);
  }

  private sinkFor(takesRuns: boolean): ReplySink {
    return {
      takesRuns,
      onReplies: (serial, count, bytes, start, end, kind) =>
        this.onReplies(serial, count, bytes, start, end, kind),
      accepts: (serial, bytes, start, end, parts) => {
        const { kept } = this;
        if (!kept.find(serial)) return true;
        return kept.sink.accepts?.(kept.token, bytes, start, end, parts) ?? true;
      },
      onFailure: (serial, count, failure) => this.onFailure(serial, count, failure),
    };
  }

  /** What cannot be sent to `main` is sent on, but for what the client is to hear itself. */
  override get refusal(): Failure | null {
    const { refusal } = this.main;
    return refusal === null || mayPass(refusal) ? null : refusal;
  }

  private get isDown(): boolean {
    return this.main.refusal !== null && this.main.isRecovering !== true;
  }

  /** A refusal of these stands: what may pass soon is waited for as for room. */
  override get isRecovering(): boolean {
    return false;
  }

  override get isFull(): boolean {
    if (this.isDown) return this.inner?.isBusy === true;
    return this.main.isFull || this.main.refusal !== null;
  }

  override waitForRoom(waiter: Wakeable): void {
    if (this.isDown) this.standby.whenRoom(waiter);
    else this.main.waitForRoom(waiter);
  }

  override send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    if (this.main.refusal !== null) {
      this.options.count(count);
      if (this.options.cap === null) this.standby.take(bytes, start, end, sink, token, count);
      else this.takeEach(bytes, start, end, sink, token, count);
      return;
    }
    this.options.budget.onFirst(count);
    const serial = this.kept.push(sink, token, count, bytes, start, end);
    const through = sink.takesRuns ? this.several : this.single;
    this.main.send(bytes, start, end, through, serial, count);
  }

  private get standby(): InnerClient {
    if (this.inner === null || !this.inner.isOpen) this.inner = this.options.createInner();
    return this.inner;
  }

  private takeEach(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    const { reader } = this.options;
    let at = start;
    for (let i = 0; i < count; i++) {
      const next = reader.read(bytes, at, end);
      if (next <= at) {
        this.standby.take(bytes, at, end, sink, token + i, count - i);
        return;
      }
      this.takeCapped(bytes, at, next, sink, token + i);
      at = next;
    }
  }

  /** The request was read just now. */
  private takeCapped(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
  ): void {
    const { cap, reader } = this.options;
    if (cap === null || reader.access !== ACCESS.write) {
      this.standby.take(bytes, start, end, sink, token, 1);
      return;
    }
    const { request, follow } = cap.cap(copyOf(bytes, start, end));
    this.standby.take(request, 0, request.length, sink, token, 1);
    if (follow === null) return;
    this.standby.take(follow.bytes, 0, follow.bytes.length, IGNORED, 0, follow.count);
  }

  private onReplies(
    serial: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void {
    const { kept } = this;
    if (!kept.find(serial)) return;
    const { sink, token } = kept;
    if (kind === KIND.miss && this.options.onMisses && this.sendOn(serial, null)) return;
    kept.settle(serial, count);
    sink.onReplies(token, count, bytes, start, end, kind);
  }

  private onFailure(serial: number, count: number, failure: Failure): void {
    const { kept } = this;
    for (let i = 0; i < count; i++) {
      if (!kept.find(serial + i)) return;
      const { sink, token } = kept;
      if (this.sendOn(serial + i, failure)) continue;
      kept.settle(serial + i, 1);
      sink.onFailure(token, 1, failure);
    }
  }

  /**
   * Sends the request that was found on, if that may be done.
   * @param failure why; null: it found nothing
   */
  private sendOn(serial: number, failure: Failure | null): boolean {
    const { kept, options } = this;
    const { reader } = options;
    if (failure !== null && !mayPass(failure)) return false;
    const { bytes, end, indexFound, sink, token } = kept;
    let at = kept.start;
    let next = at;
    for (let i = 0; i <= indexFound; i++) {
      at = next;
      next = reader.read(bytes, at, end);
      if (next <= at) return false;
    }
    const isRead = reader.access === ACCESS.read;
    if (!isRead && (failure === null || failure.wasSent)) return false;
    if (reader.access === ACCESS.admin || this.standby.isBusy) return false;
    if (failure !== null && !options.budget.spend()) {
      options.onOverBudget();
      return false;
    }
    kept.settle(serial, 1);
    options.count(1);
    if (options.cap === null) this.standby.take(bytes, at, next, sink, token, 1);
    else this.takeCapped(bytes, at, next, sink, token);
    return true;
  }
}

/** The reply to a request that the link has added. */
const IGNORED: ReplySink = { takesRuns: false, onReplies() {}, onFailure() {} };

/** A user or database that the client chose and the server refuses is for no other server, and nothing is begun while the proxy ends. */
function mayPass({ kind, reply }: Failure): boolean {
  return reply === undefined && kind !== "stopping";
}
