/**
 * Accepts connections and hands each to the worker that has the fewest clients.
 *
 *   listening sockets ─accept─▶ connection ─sendmsg─▶ the worker's SEQPACKET socket, then one byte on its wake-up socket
 *
 * A connection that no worker has room for is kept until one has; meanwhile nothing else is accepted, and clients wait in
 * the queues of the listening sockets, as they do before any proxy that is too busy.
 */
import type { DispatchGrant } from "../api/accept-grants.ts";
import type { ToAcceptor } from "../api/control.ts";
import type { Logger } from "../base/log.ts";
import { acceptConnection } from "../os/accept.ts";
import { closeFd, setNonBlocking } from "../os/fd.ts";
import { sendPacket } from "../os/fd-passing.ts";
import { OsError } from "../os/os-error.ts";
import { sendByte } from "../os/socket-pair.ts";
import { LeastLoaded } from "./least-loaded.ts";

export interface AcceptorOptions {
  readonly start: Extract<ToAcceptor, { readonly type: "start" }>;
  /** The statistics of all workers. */
  readonly memory: Float64Array;
  readonly log: Logger;
}

/** Connections taken from one socket before the others, and the supervisor, get their turn. */
const ACCEPTS_MAX = 64;
/** Pause when there is no room: no descriptor, no memory, or no worker that takes what it was sent. */
const PAUSE_MS = 5;
/** At the end, so often it is tried whether a worker takes what is kept. */
const LAST_TRIES = 100;

export class Acceptor {
  readonly #workers: readonly DispatchGrant[];
  readonly #load: LeastLoaded;
  readonly #log: Logger;
  /** By listening socket: the packet that goes with its connections, which is its pool's name. */
  readonly #packets = new Map<number, Buffer>();
  /** Workers that were sent something since the last `wake`. */
  readonly #sent = new Set<DispatchGrant>();
  /** Accepted, and not yet sent to a worker. */
  #kept: { readonly fd: number; readonly packet: Buffer } | null = null;
  #isShort = false;

  constructor({ start, memory, log }: AcceptorOptions) {
    this.#log = log;
    this.#workers = start.workers;
    this.#load = new LeastLoaded(
      memory,
      start.stats,
      start.workers.map(({ slot }) => slot),
    );
    for (const { pool, fd } of start.listeners) {
      setNonBlocking(fd);
      this.#packets.set(fd, Buffer.from(pool));
    }
    for (const { bell } of start.workers) setNonBlocking(bell);
  }

  /** Takes who waits at this socket. */
  accept(fd: number): void {
    const packet = this.#packets.get(fd);
    if (packet === undefined) return;
    const nowMs = performance.now();
    this.#load.refresh(nowMs);
    if (this.#kept !== null && !this.#sendKept(nowMs)) {
      Bun.sleepSync(PAUSE_MS);
      return;
    }
    for (let count = 0; count < ACCEPTS_MAX; count++) {
      const connection = this.#take(fd);
      if (connection === null) return;
      this.#kept = { fd: connection, packet };
      if (!this.#sendKept(nowMs)) return;
    }
  }

  /**
   * Wakes the workers that were sent something: once each, however much it was.
   * @returns false: not all could be woken, for want of memory; to be called again soon
   */
  wake(): boolean {
    for (const worker of this.#sent) if (sendByte(worker.bell)) this.#sent.delete(worker);
    return this.#sent.size === 0;
  }

  /** The end: gives away what is kept, if that is possible within a moment. */
  finish(): void {
    for (let tries = 0; tries < LAST_TRIES && !this.#sendKept(performance.now()); tries++) {
      this.wake();
      Bun.sleepSync(PAUSE_MS);
    }
    this.wake();
  }

  #take(fd: number): number | null {
    try {
      const connection = acceptConnection(fd);
      this.#isShort = false;
      return connection;
    } catch (error) {
      if (!this.#isShort) this.#log.warn(`cannot accept: ${(error as Error).message}`);
      this.#isShort = true;
      // The socket stays ready: without a pause this would spin.
      Bun.sleepSync(PAUSE_MS);
      return null;
    }
  }

  #sendKept(nowMs: number): boolean {
    const kept = this.#kept;
    if (kept === null) return true;
    for (const index of this.#load.order()) {
      const worker = this.#workers[index];
      if (worker === undefined || !this.#send(worker, kept.packet, kept.fd)) continue;
      this.#load.onSent(index, nowMs);
      this.#sent.add(worker);
      closeFd(kept.fd);
      this.#kept = null;
      return true;
    }
    return false;
  }

  #send(worker: DispatchGrant, packet: Buffer, fd: number): boolean {
    try {
      return sendPacket(worker.connections, packet, [fd]);
    } catch (error) {
      // Too many descriptors underway (ETOOMANYREFS) passes like a full socket does.
      if (error instanceof OsError && error.isPassing) return false;
      throw error;
    }
  }
}
