/**
 * One connection to the embedded Redis: cuts requests, runs them, and sends the replies in order.
 *
 * Bounded both ways: while more than `OUTPUT_BYTES_MAX` wait to be sent, no request is run and nothing is read.
 */
import type { Socket } from "bun";
import type { ClientState, Shard } from "./command.ts";
import { RESP2 } from "./encoding.ts";
import { execute } from "./execute.ts";
import { error } from "./reply.ts";
import { ProtocolError, RequestParser } from "./request-parser.ts";

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export class ClientConnection {
  readonly state: ClientState;
  readonly #socket: Socket<ClientConnection | null>;
  readonly #shard: Shard;
  readonly #parser = new RequestParser();
  #out: Buffer = Buffer.alloc(0);
  #isPaused = false;

  constructor(socket: Socket<ClientConnection | null>, shard: Shard, id: number) {
    this.#socket = socket;
    this.#shard = shard;
    this.state = { id, name: "", database: 0, encoding: RESP2, isClosing: false };
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
    let waiting = this.#out.length;
    while (!this.state.isClosing && waiting <= OUTPUT_BYTES_MAX) {
      const reply = this.#next();
      if (reply === null) break;
      replies.push(reply);
      waiting += reply.length;
    }
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
      return args === null ? null : execute(this.#shard, this.state, args);
    } catch (failure) {
      if (!(failure instanceof ProtocolError)) throw failure;
      this.state.isClosing = true;
      return error(`ERR ${failure.message}`);
    }
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
