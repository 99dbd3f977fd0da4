/** A connection as the data plane sees it, on a simulated socket. */
import type { Stream, StreamEvents } from "../../src/api/stream.ts";
import type { SimulatedEngine } from "./engine.ts";
import type { Socket } from "./socket.ts";

const NONE: Buffer = Buffer.alloc(0);
/** What is written to memory of which nothing may be kept. */
const SCRIBBLE = 0x58;
/** Bytes of others lie before and behind. */
const MARGIN = 8;
/** Where output is held, so much is taken before it is sent. */
const HELD_MAX = 64 * 1024;
/** So long an engine goes on sending what it holds of a closed stream. */
const LINGER_MS = 5000;

export class SimulatedStream implements Stream {
  readonly isMovable = true;
  /** For the engine: it is among those that are ready. */
  isReady = false;
  private readonly engine: SimulatedEngine;
  private readonly socket: Socket;
  private readonly isHalfOpen: boolean;
  private events: StreamEvents | null = null;
  private openFd: number;
  private isPaused = false;
  private isQuiet = false;
  private wantsDrain = false;
  private hasEnded = false;
  private isOver = false;
  /** A write has found that it is gone. */
  private isGone = false;
  /** Received while it was paused. */
  private kept: Buffer = NONE;
  private held: Buffer = NONE;
  private isFlushDue = false;
  private endsAfterHeld = false;

  constructor(engine: SimulatedEngine, fd: number, isHalfOpen: boolean) {
    this.engine = engine;
    this.openFd = fd;
    this.isHalfOpen = isHalfOpen;
    this.socket = engine.kernel.socketOf(fd);
    this.socket.user = {
      onReadable: () => this.engine.soon(this),
      onWritable: () => {
        this.wantsDrain = true;
        this.engine.soon(this);
      },
    };
  }

  giveTo(events: StreamEvents): void {
    if (this.isOver) {
      events.onClose("");
      return;
    }
    this.events = events;
    this.engine.soon(this);
  }

  get fd(): number {
    return this.isOver ? -1 : this.openFd;
  }

  get peer(): string {
    return this.isOver ? "closed" : `10.0.0.${1 + (this.socket.peer.id % 3)}:${this.socket.id}`;
  }

  get origin(): string {
    return this.isOver ? "closed" : `10.0.0.${1 + (this.socket.peer.id % 3)}`;
  }

  get localAddress(): string {
    return this.isOver ? "closed" : "10.0.0.100:1";
  }

  get undelivered(): number {
    return this.isOver ? 0 : this.held.length + this.socket.undelivered;
  }

  get unsent(): Buffer {
    return this.held;
  }

  // Receiving

  /** For the engine: something may have happened. */
  onReady(): void {
    if (this.isOver) {
      if (this.held.length > 0) this.flushHeld();
      return;
    }
    const { socket, engine } = this;
    if (this.wantsDrain) {
      this.wantsDrain = false;
      this.flushHeld();
      if (this.held.length === 0) this.events?.onDrain();
      if (this.isOver) return;
    }
    if (this.isQuiet) return;
    if (this.isPaused && !this.isGone) {
      // An operation was under way when it was paused.
      if (engine.habits.holdsOutput && socket.readable > 0 && this.kept.length === 0) {
        this.kept = Buffer.from(socket.read(engine.world.random.between(1, 64)));
      }
      return;
    }
    if (this.kept.length > 0) this.hearKept();
    if (this.isOver || this.isPaused) return;
    if (socket.readable > 0) {
      this.hear(socket.read(engine.world.random.between(1, engine.habits.readMost)));
      if (!this.isOver) engine.soon(this);
    } else if (socket.isReset || this.isGone) this.finish("ECONNRESET");
    else if (socket.hasEnd && !this.hasEnded) {
      this.hasEnded = true;
      engine.world.note("end", socket.id);
      this.events?.onEnd();
      if (!this.isOver && !this.isHalfOpen) this.finish("");
    }
  }

  private hear(bytes: Buffer): void {
    const { engine } = this;
    engine.world.noteBytes("received", this.socket.id, bytes);
    if (engine.habits.isStable) {
      // In memory of its own, as a chunk is that was received.
      const own = Buffer.allocUnsafeSlow(bytes.length);
      bytes.copy(own);
      this.events?.onBytes(own, 0, own.length, true);
      return;
    }
    let { shared } = engine;
    const needed = bytes.length + 2 * MARGIN;
    if (shared.length < needed) shared = Buffer.alloc(2 * needed);
    // A delivery inside of this one needs a buffer of its own.
    engine.shared = NONE;
    shared.fill(SCRIBBLE, 0, needed);
    bytes.copy(shared, MARGIN);
    this.events?.onBytes(shared, MARGIN, MARGIN + bytes.length, false);
    shared.fill(SCRIBBLE, 0, needed);
    engine.shared = shared;
  }

  private hearKept(): void {
    const { kept } = this;
    this.kept = NONE;
    if (kept.length > 0) this.hear(kept);
  }

  pause(): void {
    if (!this.isGone) this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.engine.soon(this);
  }

  quiesce(): void {
    if (this.isOver) return;
    if (!this.isQuiet) {
      this.isQuiet = true;
      this.engine.atTurnEnd(() => {
        this.isQuiet = false;
        this.engine.soon(this);
      });
    }
    this.hearKept();
  }

  // Sending

  write(bytes: Buffer, start: number, length: number): number {
    if (this.isOver || this.isGone || this.endsAfterHeld) return -1;
    const { engine, socket } = this;
    if (!engine.habits.holdsOutput) {
      const taken = socket.write(bytes, start, length);
      if (taken < 0) this.gone();
      else engine.world.noteBytes("written", socket.id, bytes, start, taken);
      return taken;
    }
    if (this.held.length > 0) {
      this.wantsDrain = true;
      return 0;
    }
    const taken = Math.min(length, HELD_MAX);
    this.held = Buffer.from(bytes.subarray(start, start + taken));
    engine.world.noteBytes("written", socket.id, this.held);
    if (taken < length) this.wantsDrain = true;
    this.flushSoon();
    return taken;
  }

  private flushSoon(): void {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    this.engine.atTurnEnd(() => {
      this.isFlushDue = false;
      this.flushHeld();
    });
  }

  private flushHeld(): void {
    const { held, socket } = this;
    if (held.length === 0 || this.openFd < 0) return;
    const taken = socket.write(held, 0, held.length);
    if (taken < 0) {
      this.held = NONE;
      if (this.isOver) this.letGo();
      else this.gone();
      return;
    }
    this.held = held.subarray(taken);
    if (this.held.length > 0) return;
    if (this.isOver) this.letGo();
    else {
      if (this.endsAfterHeld) socket.shutdown();
      if (this.wantsDrain) this.engine.soon(this);
    }
  }

  /** What was received before is still heard, and then the end. */
  private gone(): void {
    this.isGone = true;
    this.isPaused = false;
    this.engine.soon(this);
  }

  // Ending

  shutdown(): void {
    if (this.isOver || this.endsAfterHeld) return;
    this.endsAfterHeld = true;
    if (this.held.length === 0) this.socket.shutdown();
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.held.length === 0) this.letGo();
    else this.engine.world.after(LINGER_MS, () => this.reset());
    this.engine.world.note("close", this.socket.id);
    this.events?.onClose("");
  }

  abort(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.reset();
    this.events?.onClose("");
  }

  private finish(cause: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.engine.world.note(`closed ${cause}`, this.socket.id);
    this.letGo();
    this.events?.onClose(cause);
  }

  private reset(): void {
    if (this.openFd < 0) return;
    this.socket.reset();
    this.letGo();
  }

  private letGo(): void {
    const fd = this.openFd;
    if (fd < 0) return;
    this.openFd = -1;
    this.held = NONE;
    this.engine.forget(this);
    this.engine.kernel.close(fd);
  }

  detach(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.engine.world.note("detach", this.socket.id);
    this.letGo();
  }

  /** Its process ends, and hears nothing more. What it held goes as far as the kernel takes it. */
  vanish(): void {
    this.isOver = true;
    if (this.held.length > 0 && this.openFd >= 0) {
      this.socket.write(this.held, 0, this.held.length);
    }
    this.letGo();
  }
}
