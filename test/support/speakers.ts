/** Clients of every protocol, of which all that counts is that a reply is a right one, a failure, or none. */
import { encodeRequest } from "./binary-client.ts";
import { memcachePool, redisPool } from "./proxy-process.ts";
import { encodeCommand } from "./redis-exchange.ts";
import { replyEnd } from "./resp-client.ts";
import { MEMCACHED_BINARY, MEMCACHED_TEXT, REDIS, type ServerProtocol } from "./scripted-server.ts";

const DEADLINE_MS = 10_000;

/** A client's side of a protocol. */
export interface Speaker {
  readonly server: ServerProtocol;
  readonly config: typeof redisPool;
  /** Sent first on a connection; it has one reply. */
  readonly greeting: Buffer | null;
  /** Asks for the value of `key`. */
  get(key: string): Buffer;
  /** Where the reply at the beginning of `bytes` ends; -1: it is not complete. */
  replyEnd(bytes: Buffer): number;
  /** The reply says that the request failed, and nothing else. */
  isFailure(reply: string): boolean;
}

export class Client {
  isClosed = false;
  private received: Buffer = Buffer.alloc(0);
  private wake: () => void = () => {};
  private socket: Bun.Socket | null = null;
  private readonly speaker: Speaker;

  constructor(speaker: Speaker) {
    this.speaker = speaker;
  }

  async connect(host: string, port: number): Promise<this> {
    this.socket = await Bun.connect({
      hostname: host,
      port,
      socket: {
        data: (_, chunk) => {
          this.received = Buffer.concat([this.received, chunk]);
          this.wake();
        },
        close: () => {
          this.isClosed = true;
          this.wake();
        },
      },
    });
    if (this.speaker.greeting !== null) await this.ask(this.speaker.greeting);
    return this;
  }

  send(bytes: Buffer): void {
    this.socket!.write(bytes);
  }

  async ask(bytes: Buffer): Promise<string> {
    this.send(bytes);
    return await this.reply();
  }

  /** The next reply as text, or "closed". */
  async reply(): Promise<string> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const end = this.received.length === 0 ? -1 : this.speaker.replyEnd(this.received);
      if (end > 0) {
        const reply = this.received.toString("latin1", 0, end);
        this.received = this.received.subarray(end);
        return reply;
      }
      if (this.isClosed) return "closed";
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no reply, but ${JSON.stringify(this.unread)}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, left).unref();
      });
    }
  }

  get unread(): string {
    return this.received.toString("latin1");
  }

  close(): void {
    this.socket?.end();
  }
}

const resp = {
  server: REDIS,
  config: redisPool,
  get: (key: string) => encodeCommand(["GET", key]),
  replyEnd: (bytes: Buffer) => replyEnd(bytes, bytes[0] === 0x7c ? attributeEnd(bytes) : 0),
  isFailure: (reply: string) => reply.startsWith("-ERR "),
};
export const RESP2: Speaker = { ...resp, greeting: null };
export const RESP3: Speaker = { ...resp, greeting: encodeCommand(["HELLO", "3"]) };

/** "|1", a name and a value that are one line each. */
function attributeEnd(bytes: Buffer): number {
  let at = 0;
  for (let lines = 0; lines < 3; lines++) at = bytes.indexOf("\n", at) + 1;
  return at;
}

export const TEXT: Speaker = {
  server: MEMCACHED_TEXT,
  config: memcachePool,
  greeting: null,
  get: (key) => Buffer.from(`get ${key}\r\n`),
  replyEnd(bytes) {
    const text = bytes.toString("latin1");
    for (let at = 0; ; ) {
      const line = text.indexOf("\r\n", at);
      if (line < 0) return -1;
      const [name, ...words] = text.substring(at, line).split(" ");
      at = line + 2;
      if (name === "VA") return at + Number(words[0]) + 2;
      if (name === "VALUE") at += Number(words[2]) + 2;
      else if (name !== "STAT") return at;
    }
  },
  isFailure: (reply) => reply.startsWith("SERVER_ERROR "),
};

export const BINARY: Speaker = {
  server: MEMCACHED_BINARY,
  config: memcachePool,
  greeting: null,
  get: (key) => encodeRequest({ opcode: 0x00, key }),
  replyEnd: (bytes) => MEMCACHED_BINARY.requestEnd(bytes) || -1,
  // Status "temporary failure".
  isFailure: (reply) => reply.charCodeAt(0) === 0x81 && reply.charCodeAt(7) === 0x86,
};
