/**
 * Connections of a simulated network. A connection is two sockets; what one sends arrives at the other later, in pieces, and what is
 * not read fills the way until nothing more is taken.
 */
import type { World } from "./world.ts";

/** What a way is like; may change at any time. */
export interface Way {
  /** Milliseconds on the way, at the least and at the most. */
  leastMs: number;
  mostMs: number;
  /** What is written arrives in up to so many pieces. */
  pieces: number;
  /** Bytes that are underway or unread at the most. */
  capacity: number;
}

export interface SocketUser {
  /** Bytes, an end or a reset may be read. */
  onReadable(): void;
  /** There is room again. */
  onWritable(): void;
}

const NOBODY: SocketUser = { onReadable() {}, onWritable() {} };

export class Socket {
  readonly id: number;
  peer!: Socket;
  user: SocketUser = NOBODY;
  /** What has arrived and is not read. Ranges of what was sent, which stays as it is. */
  private readonly arrived: Buffer[] = [];
  private unread = 0;
  /** Bytes that were sent from here and that the other end has not read. */
  private underway = 0;
  private lastArrivalMs = 0;
  /** All that came before is read when this is heard. */
  hasEnd = false;
  isReset = false;
  /** Nothing more is sent from here. */
  isShut = false;
  isClosed = false;
  private wantsRoom = false;
  /** What arrives at the other end, in this order. */
  private readonly onTheWay: (() => void)[] = [];
  private readonly world: World;
  private readonly way: Way;
  /** Nothing arrives here until then. */
  stalledUntilMs = 0;
  /** Descriptors that refer to it. */
  references = 0;
  /** The write of this number, counted from 1, fails; 0: none. */
  failsAtWrite = 0;
  private writes = 0;

  constructor(world: World, way: Way, id: number) {
    this.world = world;
    this.way = way;
    this.id = id;
  }

  get readable(): number {
    return this.unread;
  }

  get undelivered(): number {
    return this.underway;
  }

  /** @returns how many bytes are taken, or -1: the connection is gone */
  write(bytes: Uint8Array, start: number, length: number): number {
    if (this.isReset || this.isShut || this.isClosed) return -1;
    if (this.failsAtWrite > 0 && ++this.writes === this.failsAtWrite) {
      this.reset();
      this.isReset = true;
      return -1;
    }
    const room = this.way.capacity - this.underway;
    const taken = Math.min(Math.max(room, 0), length);
    if (taken < length) this.wantsRoom = true;
    if (taken > 0) this.sendAll(Buffer.from(bytes.subarray(start, start + taken)));
    return taken;
  }

  private sendAll(bytes: Buffer): void {
    const { random } = this.world;
    this.underway += bytes.length;
    let left = random.below(this.way.pieces);
    let at = 0;
    while (at < bytes.length) {
      const rest = bytes.length - at;
      const size = left-- > 0 ? random.between(1, rest) : rest;
      const piece = bytes.subarray(at, at + size);
      at += size;
      this.atArrival(() => this.peer.receive(piece));
    }
  }

  /** One after the other: nothing overtakes what was sent before. */
  private atArrival(action: () => void): void {
    const { world, way, peer } = this;
    const { leastMs, mostMs } = way;
    const delayMs = leastMs + world.random.next() ** 2 * (mostMs - leastMs);
    const atMs = Math.max(world.nowMs + delayMs, this.lastArrivalMs, peer.stalledUntilMs);
    this.lastArrivalMs = atMs;
    this.onTheWay.push(action);
    world.after(atMs - world.nowMs, this.arrive);
  }

  private readonly arrive = (): void => {
    const { world, peer } = this;
    // It was stalled meanwhile.
    if (peer.stalledUntilMs > world.nowMs) {
      world.after(peer.stalledUntilMs - world.nowMs, this.arrive);
    } else this.onTheWay.shift()!();
  };

  private receive(piece: Buffer): void {
    if (this.isClosed) {
      // As a kernel answers to what comes for a connection that is closed.
      this.reset();
      return;
    }
    if (this.isReset) return;
    this.arrived.push(piece);
    this.unread += piece.length;
    this.user.onReadable();
  }

  /** Takes at most `most` bytes, in one piece. */
  read(most: number): Buffer {
    const parts: Buffer[] = [];
    let size = 0;
    while (size < most && this.arrived.length > 0) {
      const first = this.arrived[0]!;
      const part = first.subarray(0, most - size);
      parts.push(part);
      size += part.length;
      if (part.length === first.length) this.arrived.shift();
      else this.arrived[0] = first.subarray(part.length);
    }
    this.unread -= size;
    const { peer } = this;
    peer.underway -= size;
    if (size > 0 && peer.wantsRoom) {
      peer.wantsRoom = false;
      this.world.after(0, () => {
        if (!peer.isClosed) peer.user.onWritable();
      });
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Ends this direction. */
  shutdown(): void {
    if (this.isShut || this.isReset || this.isClosed) return;
    this.isShut = true;
    this.atArrival(() => {
      const { peer } = this;
      if (peer.isReset || peer.isClosed) return;
      peer.hasEnd = true;
      peer.user.onReadable();
    });
  }

  /** Both directions end; with input unread, by a reset. */
  close(): void {
    if (this.isClosed) return;
    if (this.unread > 0) this.reset();
    else {
      this.shutdown();
      this.isClosed = true;
    }
  }

  reset(): void {
    const { peer, world } = this;
    this.isClosed = true;
    if (peer.isClosed || peer.isReset) return;
    world.after(world.random.next() * this.way.mostMs, () => {
      if (peer.isClosed || peer.isReset) return;
      peer.isReset = true;
      // A kernel may have thrown away what was not read.
      if (world.random.chance(0.5)) {
        peer.unread = 0;
        peer.arrived.length = 0;
      }
      peer.user.onReadable();
    });
  }

  /** Nothing arrives here for so long. */
  stall(forMs: number): void {
    this.stalledUntilMs = Math.max(this.stalledUntilMs, this.world.nowMs + forMs);
  }
}

/** @returns both ends */
export function connect(world: World, way: Way, back: Way, id: number): [Socket, Socket] {
  const near = new Socket(world, way, id);
  const far = new Socket(world, back, id + 1);
  near.peer = far;
  far.peer = near;
  return [near, far];
}
