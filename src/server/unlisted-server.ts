/**
 * The server of connections that are counted for none of the pool's: those that came from a worker with another configuration, when this
 * one does not name it, and those to whom the pool asks where its servers are.
 */

import type { Address } from "../api/config.ts";
import type { ConnectAttempt, ConnectEvents, Engine, SocketTuning } from "../api/engine.ts";
import type { MetricBlock } from "../api/metrics.ts";
import { SERVER_COUNTERS } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import { assert } from "../base/assert.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";
import type { Turn } from "../base/turn.ts";
import { formatAddress } from "../config/address.ts";
import type { PlainOwner } from "./plain-connection.ts";

export interface UnlistedServerOptions {
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly descriptors: DescriptorBudget;
  readonly engine: Engine;
  readonly tuning: SocketTuning;
  /** Null: no connection is made to it, those that there are stand already. */
  readonly address: Address | null;
  readonly connectTimeoutMs: number;
}

export class UnlistedServer implements PlainOwner {
  readonly name: string;
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly connectTimeoutMs: number;
  readonly counters: MetricBlock = { values: new Float64Array(SERVER_COUNTERS.length), base: 0 };
  private readonly options: UnlistedServerOptions;

  constructor(options: UnlistedServerOptions) {
    const { address } = options;
    const { tuning } = options;
    this.options = { ...options, tuning: { ...tuning, isKeptAlive: true, isQuicklyAcked: false } };
    this.name =
      address === null ? "that the configuration does not name any more" : formatAddress(address);
    this.connectTimeoutMs = options.connectTimeoutMs;
    this.turn = options.turn;
    this.deadlines = options.deadlines;
  }

  connectPlain(events: ConnectEvents, streamEvents: StreamEvents): ConnectAttempt {
    const { engine, address, tuning } = this.options;
    assert(address !== null, "no connection is made to a server that is not configured");
    return engine.connect(address, tuning, events, streamEvents);
  }

  adoptSocket(
    fd: number,
    onStream: (stream: Stream) => StreamEvents | null,
    onError: () => void,
  ): void {
    this.options.descriptors.perClient++;
    this.options.engine.adopt(fd, this.options.tuning, onStream, onError);
  }

  onUp(): void {}

  onTrouble(): void {}

  onPlainGone(): void {
    this.options.descriptors.perClient--;
  }
}
