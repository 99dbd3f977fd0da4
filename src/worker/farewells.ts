/**
 * Clients that may not stay: each is told why, and then its connection ends in order.
 *
 *   write ─▶ shutdown ─▶ discard what comes until the client ends, or LINGER_MS have passed ─▶ close
 *
 * Who connects often sends something at once, and closing with that unread would reset the connection: the client
 * might lose what it was told, and would see a broken network where there is a full proxy.
 */
import type { Stream, StreamEvents } from "../api/stream.ts";
import { LINGER_MS, LINGERING_CLIENTS_MAX } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";

export interface FarewellsOptions {
  readonly schedule: Schedule;
  /** Whether there is a descriptor for one more. */
  readonly hasRoom: () => boolean;
  /** One has gone. */
  readonly onGone: () => void;
}

export class Farewells {
  private readonly options: FarewellsOptions;
  /** In the order in which they came. */
  private readonly lingering: Set<Farewell> = new Set();

  constructor(options: FarewellsOptions) {
    this.options = options;
  }

  /** Connections that are told already, and still here. */
  get size(): number {
    return this.lingering.size;
  }

  /**
   * Tells the client `words`, which fit into any socket that is new. When it is one too many, the one that had the most
   * time to listen goes.
   * @returns who hears of the stream from now on, or null: there is no room to linger, and it is to be closed at once
   */
  bid(stream: Stream, words: Buffer): StreamEvents | null {
    stream.write(words, 0, words.length);
    const mayLinger = this.size < LINGERING_CLIENTS_MAX && this.options.hasRoom();
    if (!mayLinger && !this.letGo()) return null;
    stream.shutdown();
    const farewell = new Farewell(stream, this.options.schedule, () => {
      this.lingering.delete(farewell);
      this.options.onGone();
    });
    this.lingering.add(farewell);
    return farewell;
  }

  /** Closes the one that lingers longest. False: nobody does. */
  letGo(): boolean {
    for (const farewell of this.lingering) {
      this.lingering.delete(farewell);
      farewell.close();
      return true;
    }
    return false;
  }
}

class Farewell implements StreamEvents {
  private readonly stream: Stream;
  private readonly onGone: () => void;
  private readonly cancelTimeout: () => void;

  constructor(stream: Stream, schedule: Schedule, onGone: () => void) {
    this.stream = stream;
    this.onGone = onGone;
    this.cancelTimeout = schedule(LINGER_MS, () => this.close());
  }

  close(): void {
    this.stream.close();
  }

  onBytes(): void {
    // It was told that nobody reads this.
  }

  onDrain(): void {}

  onEnd(): void {
    this.close();
  }

  onClose(): void {
    this.cancelTimeout();
    this.onGone();
  }
}
