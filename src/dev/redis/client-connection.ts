/**
 * One connection to the embedded Redis: cuts requests, runs them, and sends the replies in order.
 *
 * Bounded both ways: while more than `OUTPUT_BYTES_MAX` wait to be sent, no request is run and nothing is read.
 */
import type { Socket } from "bun";
import { type ClientState, createClientState } from "./client-state.ts";
import type { Shard } from "./command.ts";
import { timeoutMs, WOULD_BLOCK } from "./commands/blocking-commands.ts";
import { execute } from "./execute.ts";
import { error } from "./reply.ts";
import { ProtocolError, RequestParser } from "./request-parser.ts";

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** Longest delay of a timer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class ClientConnection {
  readonly state: ClientState;
  readonly #socket: Socket<ClientConnection | null>;
  readonly #shard: Shard;
  readonly #parser = new RequestParser();
  #out: Buffer = Buffer.alloc(0);
  #isPaused = false;
  /** While requests are run: what they answered so far. */
  #replies: string[] | null = null;
  /** A request that waits for an element; none is run after it until it is answered. */
  #blocked: readonly string[] | null = null;
  #blockTimer: Timer | undefined;

  constructor(socket: Socket<ClientConnection | null>, shard: Shard, id: number) {
    this.#socket = socket;
    this.#shard = shard;
    this.state = createClientState(id, (bytes) => this.#send(bytes));
  }

  onBytes(chunk: Buffer): void {
    if (this.state.isClosing) return;
    this.#parser.push(chunk);
    this.#run();
  }

  onDrain(): void {
    this.#flush();
    if (this.#isPaused && this.#out.length === 0) {
      this.#isPaused = false;
      this.#socket.resume();
      this.#run();
    }
  }

  /** Runs what has arrived, until it is all done or too much output waits. */
  #run(): void {
    const replies: string[] = [];
    this.#replies = replies;
    let waiting = this.#out.length;
    while (!this.state.isClosing && this.#blocked === null && waiting <= OUTPUT_BYTES_MAX) {
      const reply = this.#next();
      if (reply === null) break;
      replies.push(reply);
      waiting += reply.length;
    }
    this.#replies = null;
    this.#out = Buffer.concat([this.#out, Buffer.from(replies.join(""), "latin1")]);
    this.#flush();
    if (this.#out.length > 0 && !this.#isPaused) {
      this.#isPaused = true;
      this.#socket.pause();
    } else if (waiting > OUTPUT_BYTES_MAX && this.#out.length === 0) {
      setImmediate(() => this.#run());
    }
  }

  #next(): string | null {
    try {
      const args = this.#parser.next();
      if (args === null) return null;
      const reply = execute(this.#shard, this.state, args);
      if (reply === WOULD_BLOCK) this.#block(args);
      return reply;
    } catch (failure) {
      if (!(failure instanceof ProtocolError)) throw failure;
      this.state.isClosing = true;
      return error(`ERR ${failure.message}`);
    }
  }

  #block(args: readonly string[]): void {
    this.#blocked = args;
    const limitMs = timeoutMs({ args });
    if (limitMs === 0) return;
    const timeIsOver = (): void => this.#unblock(this.state.encoding.nilArray);
    this.#blockTimer = setTimeout(timeIsOver, Math.min(limitMs, TIMER_MS_MAX));
  }

  /** Tries again what waits, because something was written. */
  retry(): void {
    if (this.#blocked === null || this.state.isClosing) return;
    const reply = execute(this.#shard, this.state, this.#blocked);
    if (reply !== WOULD_BLOCK) this.#unblock(reply);
  }

  /** The connection is gone. */
  close(): void {
    this.state.isClosing = true;
    clearTimeout(this.#blockTimer);
  }

  #unblock(reply: string): void {
    clearTimeout(this.#blockTimer);
    this.#blocked = null;
    this.#send(reply);
    this.#run();
  }

  #send(bytes: string): void {
    if (this.state.isClosing) return;
    if (this.#replies !== null) {
      this.#replies.push(bytes);
      return;
    }
    this.#out = Buffer.concat([this.#out, Buffer.from(bytes, "latin1")]);
    this.#flush();
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
    if (this.state.isClosing && this.#out.length === 0) this.#socket.shutdown();
  }
}
