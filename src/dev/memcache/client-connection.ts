/**
 * One connection to the embedded memcached: its first byte says which protocol it speaks.
 *
 * Bounded both ways: while more than `OUTPUT_BYTES_MAX` wait to be sent, no request is run and nothing is read; of
 * the input no more is kept than one request, and what is too large to be stored is skipped as it comes.
 */
import type { Socket } from "bun";
import { REQUEST_MAGIC } from "../../protocols/memcache/codec/binary/opcode.ts";
import { binaryStep } from "./binary-speaker.ts";
import type { Shard } from "./shard.ts";
import { type Step, textStep } from "./text-speaker.ts";

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export class ClientConnection {
  readonly #socket: Socket<ClientConnection | null>;
  readonly #shard: Shard;
  #step: ((shard: Shard, bytes: Buffer) => Step) | null = null;
  #in: Buffer = Buffer.alloc(0);
  /** Bytes of the input to come that are of no use. */
  #skipBytes = 0;
  #out: Buffer = Buffer.alloc(0);
  #isPaused = false;
  #isClosing = false;

  constructor(socket: Socket<ClientConnection | null>, shard: Shard) {
    this.#socket = socket;
    this.#shard = shard;
  }

  onBytes(chunk: Buffer): void {
    if (this.#isClosing) return;
    this.#in = this.#in.length === 0 ? chunk : Buffer.concat([this.#in, chunk]);
    this.#step ??= chunk[0] === REQUEST_MAGIC ? binaryStep : textStep;
    this.#run(this.#step);
  }

  onDrain(): void {
    this.#flush();
    if (!this.#isPaused || this.#out.length > 0) return;
    this.#isPaused = false;
    this.#socket.resume();
    if (this.#step !== null) this.#run(this.#step);
  }

  /** Runs what has arrived, until it is all done or too much output waits. */
  #run(step: (shard: Shard, bytes: Buffer) => Step): void {
    const replies: string[] = [];
    let waiting = this.#out.length;
    while (this.#skip() && !this.#isClosing && waiting <= OUTPUT_BYTES_MAX) {
      const { consumed, reply, isLast } = step(this.#shard, this.#in);
      this.#skipBytes = consumed;
      this.#isClosing = isLast;
      if (reply !== "") replies.push(reply);
      waiting += reply.length;
      if (consumed === 0) break;
    }
    this.#out = Buffer.concat([this.#out, Buffer.from(replies.join(""), "latin1")]);
    this.#flush();
    if (this.#out.length > 0 && !this.#isPaused) {
      this.#isPaused = true;
      this.#socket.pause();
    } else if (waiting > OUTPUT_BYTES_MAX && this.#out.length === 0) {
      setImmediate(() => this.#run(step));
    }
  }

  /** @returns whether input is left to run */
  #skip(): boolean {
    const step = Math.min(this.#skipBytes, this.#in.length);
    this.#skipBytes -= step;
    this.#in = this.#in.subarray(step);
    return this.#in.length > 0;
  }

  #flush(): void {
    let sent = 0;
    while (sent < this.#out.length) {
      const taken = this.#socket.write(this.#out, sent, this.#out.length - sent);
      if (taken <= 0) break;
      sent += taken;
    }
    this.#out = sent === this.#out.length ? Buffer.alloc(0) : this.#out.subarray(sent);
    // FIN, not close: a close with unread input would reset the connection and lose the last reply.
    if (this.#isClosing && this.#out.length === 0) this.#socket.shutdown();
  }
}
