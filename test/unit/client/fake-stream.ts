/** A session's client without a socket: the test plays the kernel. */
import type { Stream } from "../../../src/api/stream.ts";
import { copyOf } from "../../../src/base/copy-of.ts";

export class FakeStream implements Stream {
  fd = 7;
  isMovable = true;
  readonly peer = "10.0.0.1:1234";
  readonly localAddress = "10.0.0.2:22121";
  readonly origin = "10.0.0.1";
  /** Bytes that the kernel takes before it is full. */
  room: number = Number.POSITIVE_INFINITY;
  taken = 0;
  isPaused = false;
  isShut = false;
  isClosed = false;
  isDetached = false;
  isReset = false;
  undelivered = 0;
  readonly unsent: Buffer = Buffer.alloc(0);
  /** False: counts only, for outputs that would not fit in memory. */
  keepsOutput = true;
  private readonly parts: Buffer[] = [];
  onClose: () => void = () => {};

  write(bytes: Buffer, start: number, length: number): number {
    if (this.isClosed) return -1;
    const taken = Math.min(length, this.room);
    this.room -= taken;
    this.taken += taken;
    if (this.keepsOutput) this.parts.push(copyOf(bytes, start, start + taken));
    return taken;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  shutdown(): void {
    this.isShut = true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.onClose();
  }

  abort(): void {
    this.isReset = true;
    this.close();
  }

  quiesce(): void {}

  detach(): void {
    this.isDetached = true;
  }

  get output(): string {
    return Buffer.concat(this.parts).toString("latin1");
  }
}
