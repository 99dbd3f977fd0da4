/** A connection beside those of a pool, to a sentinel or to a server that is asked what it is: requests out, replies and messages in. It is not made again when it is lost. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { ServerStream, ServerStreamEvents } from "../../../api/server-stream.ts";
import type { Failure } from "../../../api/upstream.ts";
import { InputBuffer } from "../../../base/input-buffer.ts";
import { HANDSHAKE_REPLY_BYTES_MAX } from "../../../base/limits.ts";
import { addressOf } from "../cluster/slot-view.ts";
import { type Decoded, decodeReply, ReplyError } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import { RedisReplyScanner } from "../codec/reply-scanner.ts";

/** Who the proxy is for what it asks; password null: none is wanted. */
export interface ServerIdentity {
  readonly user: string | null;
  readonly password: string | null;
}

export interface ServerLineEvents {
  /** A reply, or a message, in the order in which they come; not that to AUTH. */
  onReply(reply: Decoded): void;
  /** It is lost, or could not be made; `fault` says why. */
  onDown(fault: string): void;
}

export class ServerLine implements ServerStreamEvents {
  private readonly events: ServerLineEvents;
  private readonly identity: ServerIdentity;
  private readonly requests: Buffer;
  private readonly stream: ServerStream | null;
  private readonly input: InputBuffer = new InputBuffer();
  private readonly scanner: RedisReplyScanner = new RedisReplyScanner(2);
  /** The reply to AUTH is to come. */
  private isGreeting = false;
  private isOver = false;

  /**
   * @param address as a configuration has it
   * @param requests what is asked first
   */
  constructor(
    host: PoolHost,
    address: string,
    identity: ServerIdentity,
    requests: readonly Buffer[],
    events: ServerLineEvents,
  ) {
    this.identity = identity;
    this.requests = Buffer.concat(requests);
    this.events = events;
    this.stream = host.openAside(addressOf(address), this);
  }

  /** False: there was no descriptor for it. */
  get isMade(): boolean {
    return this.stream !== null;
  }

  ask(request: Buffer): void {
    if (this.isOver || this.stream === null) return;
    // So few bytes a socket takes, or it is no good.
    if (this.stream.write(request, 0, request.length) < request.length) {
      this.down("it takes nothing more");
    }
  }

  close(): void {
    this.isOver = true;
    this.stream?.close();
  }

  private down(fault: string): void {
    if (this.isOver) return;
    this.close();
    this.events.onDown(fault);
  }

  // What is heard of the connection

  onOpen(): void {
    const { user, password } = this.identity;
    this.isGreeting = password !== null;
    if (password !== null) {
      const words = [user, password].filter((word) => word !== null);
      this.ask(encodeRequest("AUTH", ...words.map((word) => Buffer.from(word))));
    }
    this.ask(this.requests);
  }

  onRefused(failure: Failure): void {
    this.down(failure.text);
  }

  onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void {
    const { input, scanner } = this;
    if (this.isOver) return;
    input.receive(bytes, start, end, isStable, scanner.need, true);
    while (input.size > 0 && !this.isOver) {
      const next = scanner.scan(input.bytes, input.start, input.end);
      if (next < 0) {
        this.down("it does not speak the Redis protocol");
        return;
      }
      if (next === 0) break;
      const reply = decodeReply(input.bytes, input.start);
      input.start = next;
      this.take(reply);
    }
    input.keepRest();
    if (input.size > LINE_REPLY_BYTES_MAX) this.down("its reply is too long");
  }

  private take(reply: Decoded): void {
    if (!this.isGreeting) this.events.onReply(reply);
    else {
      this.isGreeting = false;
      if (reply instanceof ReplyError) this.down(`AUTH: ${reply.text}`);
    }
  }

  onDrain(): void {}

  onEnd(): void {
    this.down("it closed the connection");
  }

  onClose(cause: string): void {
    this.down(cause === "" ? "it closed the connection" : cause);
  }
}

/** Facts of one master or its replicas, for instance. */
const LINE_REPLY_BYTES_MAX: number = 16 * HANDSHAKE_REPLY_BYTES_MAX;
