/**
 * Clients that are refused: each is told why, and lingers until its connection has ended in order.
 *
 *   write ─▶ shutdown ─▶ discard what comes until the client ends, or LINGER_MS have passed ─▶ close
 *
 * A client often sends something as soon as it has connected, and closing with that unread would reset the connection: the client
 * might lose what it was told, and would see a broken network where there is a full proxy.
 */
import type { Stream, StreamEvents } from "../api/stream.ts";
import { LINGER_MS, LINGERING_CLIENTS_MAX } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";

export interface RefusedClientsOptions {
  readonly schedule: Schedule;
  /** Whether there is a descriptor for one more. */
  readonly hasRoom: () => boolean;
  /** One has gone. */
  readonly onGone: () => void;
}

export class RefusedClients {
  private readonly options: RefusedClientsOptions;
  /** In the order in which they came. */
  private readonly lingering: Set<RefusedClient> = new Set();

  constructor(options: RefusedClientsOptions) {
    this.options = options;
  }

  /** Connections that are told already, and still here. */
  get size(): number {
    return this.lingering.size;
  }

  /**
   * Tells the client `words`, which fit into any socket that is new. When it is one too many, the one that had the most
   * time to listen goes.
   * @returns what the events of the stream are for from now on, or null: there is no room to linger, and it is to be closed at once
   */
  refuse(stream: Stream, words: Buffer): StreamEvents | null {
    stream.write(words, 0, words.length);
    const mayLinger = this.size < LINGERING_CLIENTS_MAX && this.options.hasRoom();
    if (!mayLinger && !this.closeOldest()) return null;
    stream.shutdown();
    const client = new RefusedClient(stream, this.options.schedule, () => {
      this.lingering.delete(client);
      this.options.onGone();
    });
    this.lingering.add(client);
    return client;
  }

  /** Closes the client that has lingered longest. False: none does. */
  closeOldest(): boolean {
    for (const client of this.lingering) {
      this.lingering.delete(client);
      client.close();
      return true;
    }
    return false;
  }
}

class RefusedClient implements StreamEvents {
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
    // The client was told that its requests are not read.
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
