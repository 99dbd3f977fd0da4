/**
 * The server of connections that came from a worker with another configuration, when this one does not name it: they go on, and
 * are counted for no server. None is made to it.
 */

import type { ConnectAttempt, Engine, SocketTuning } from "../api/engine.ts";
import type { MetricBlock } from "../api/metrics.ts";
import { SERVER_COUNTERS } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import { assert } from "../base/assert.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";
import type { Turn } from "../base/turn.ts";
import type { PlainOwner } from "./plain-connection.ts";

export interface UnlistedServerOptions {
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly descriptors: DescriptorBudget;
  readonly engine: Engine;
  readonly tuning: SocketTuning;
}

export class UnlistedServer implements PlainOwner {
  readonly name = "that the configuration does not name any more";
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly connectTimeoutMs = 0;
  readonly counters: MetricBlock = { values: new Float64Array(SERVER_COUNTERS.length), base: 0 };
  private readonly options: UnlistedServerOptions;

  constructor(options: UnlistedServerOptions) {
    this.options = options;
    this.turn = options.turn;
    this.deadlines = options.deadlines;
  }

  connectPlain(): ConnectAttempt {
    assert(false, "no connection is made to a server that is not configured");
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
