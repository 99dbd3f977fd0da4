/** A client of Memcached's binary protocol that hands out replies as the bytes that came. */
import type { Endpoint } from "./server-process.ts";

const HEADER_BYTES = 24;
const DEADLINE_MS = 30_000;

export interface BinaryRequest {
  readonly opcode: number;
  readonly extras?: Buffer;
  readonly key?: Buffer | string;
  readonly value?: Buffer | string;
  readonly opaque?: number;
  readonly cas?: bigint;
  /** Where replies have their status. */
  readonly vbucket?: number;
  readonly dataType?: number;
  /** Of the header, when it shall lie: */
  readonly magic?: number;
  readonly keyLength?: number;
  readonly extrasLength?: number;
  readonly bodyLength?: number;
}

export function encodeRequest(request: BinaryRequest): Buffer {
  const key = Buffer.from((request.key ?? "") as string, "latin1");
  const value = Buffer.from((request.value ?? "") as string, "latin1");
  const extras = request.extras ?? Buffer.alloc(0);
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = request.magic ?? 0x80;
  header[1] = request.opcode;
  header.writeUInt16BE(request.keyLength ?? key.length, 2);
  header[4] = request.extrasLength ?? extras.length;
  header[5] = request.dataType ?? 0;
  header.writeUInt16BE(request.vbucket ?? 0, 6);
  header.writeUInt32BE(request.bodyLength ?? extras.length + key.length + value.length, 8);
  header.writeUInt32BE(request.opaque ?? 0, 12);
  header.writeBigUInt64BE(request.cas ?? 0n, 16);
  return Buffer.concat([header, extras, key, value]);
}

/** Extras of SET, ADD and REPLACE. */
export function storageExtras(flags = 0, expiration = 0): Buffer {
  const extras = Buffer.alloc(8);
  extras.writeUInt32BE(flags, 0);
  extras.writeUInt32BE(expiration, 4);
  return extras;
}

/** Extras of INCREMENT and DECREMENT. */
export function deltaExtras(delta: bigint, initial: bigint, expiration: number): Buffer {
  const extras = Buffer.alloc(20);
  extras.writeBigUInt64BE(delta, 0);
  extras.writeBigUInt64BE(initial, 8);
  extras.writeUInt32BE(expiration, 16);
  return extras;
}

/** Extras of TOUCH, GAT and FLUSH. */
export function timeExtras(expiration: number): Buffer {
  const extras = Buffer.alloc(4);
  extras.writeUInt32BE(expiration, 0);
  return extras;
}

export interface BinaryReply {
  readonly bytes: Buffer;
  readonly opcode: number;
  readonly status: number;
  readonly opaque: number;
  readonly cas: bigint;
  readonly extras: Buffer;
  readonly key: string;
  readonly value: string;
}

/** The reply in all of `bytes`. */
export function decodeReply(bytes: Buffer): BinaryReply {
  const keyStart = HEADER_BYTES + bytes.readUInt8(4);
  const keyEnd = keyStart + bytes.readUInt16BE(2);
  return {
    bytes,
    opcode: bytes.readUInt8(1),
    status: bytes.readUInt16BE(6),
    opaque: bytes.readUInt32BE(12),
    cas: bytes.readBigUInt64BE(16),
    extras: bytes.subarray(HEADER_BYTES, keyStart),
    key: bytes.toString("latin1", keyStart, keyEnd),
    value: bytes.toString("latin1", keyEnd),
  };
}

export class BinaryClient {
  #socket: Bun.Socket<undefined> | null = null;
  #received: Buffer[] = [];
  #unsent: Buffer[] = [];
  #isClosed = false;
  readonly #waiting = new Set<() => void>();

  static async connect(endpoint: Endpoint): Promise<BinaryClient> {
    const client = new BinaryClient();
    const socket: Bun.SocketHandler<undefined> = {
      data: (_, chunk) => {
        client.#received.push(chunk);
        client.#wake();
      },
      drain: () => client.#flush(),
      close: () => client.#onClose(),
      error: () => client.#onClose(),
    };
    client.#socket = await ("socketPath" in endpoint
      ? Bun.connect({ unix: endpoint.socketPath, socket })
      : Bun.connect({ hostname: endpoint.host, port: endpoint.port, socket }));
    return client;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#unsent.reduce((sum, piece) => sum + piece.length, 0);
  }

  send(bytes: Buffer): void {
    this.#unsent.push(bytes);
    this.#flush();
  }

  async sent(): Promise<void> {
    await this.#until("the kernel to take the request", () => this.#unsent.length === 0);
  }

  /** Sends one request and resolves with the next reply. */
  async ask(request: BinaryRequest): Promise<BinaryReply> {
    this.send(encodeRequest(request));
    return this.reply();
  }

  /** The next reply. @throws when the connection closes before it is complete. */
  async reply(): Promise<BinaryReply> {
    let length = -1;
    await this.#until("a reply", () => {
      length = this.#completeLength();
      return length >= 0;
    });
    if (length < 0) throw new Error("closed before a reply");
    return decodeReply(this.#take(length));
  }

  /** All replies up to and including the one with this opaque. */
  async repliesUpTo(opaque: number): Promise<BinaryReply[]> {
    const replies: BinaryReply[] = [];
    while (replies.at(-1)?.opaque !== opaque) replies.push(await this.reply());
    return replies;
  }

  /** All replies up to the close by the other end. @throws when the last is not complete. */
  async repliesUntilClosed(): Promise<BinaryReply[]> {
    await this.#until("the connection to close", () => false);
    const replies: BinaryReply[] = [];
    while (this.#size() > 0) replies.push(await this.reply());
    return replies;
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    this.#socket?.end();
  }

  #size(): number {
    return this.#received.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  /** Length of the first reply, or -1 when it is incomplete. */
  #completeLength(): number {
    const size = this.#size();
    if (size < HEADER_BYTES) return -1;
    const [first] = this.#received;
    if (first === undefined || first.length < HEADER_BYTES) {
      this.#received = [Buffer.concat(this.#received)];
    }
    const length = HEADER_BYTES + (this.#received[0]?.readUInt32BE(8) ?? 0);
    return size >= length ? length : -1;
  }

  #take(length: number): Buffer {
    const all = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received);
    if (all === undefined) throw new Error("nothing was received");
    this.#received = all.length > length ? [all.subarray(length)] : [];
    return Buffer.from(all.subarray(0, length));
  }

  #flush(): void {
    for (let piece = this.#unsent[0]; piece !== undefined; piece = this.#unsent[0]) {
      const taken = this.#socket?.write(piece) ?? -1;
      if (taken < piece.length) {
        if (taken > 0) this.#unsent[0] = piece.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
    this.#wake();
  }

  #onClose(): void {
    this.#isClosed = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Waits until `isDone`, or until the connection is closed. */
  async #until(what: string, isDone: () => boolean): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!isDone() && !this.#isClosed) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => resolve(false), deadline - performance.now());
      const wake = (): void => resolve(true);
      this.#waiting.add(wake);
      const isWoken = await promise;
      clearTimeout(timer);
      this.#waiting.delete(wake);
      if (!isWoken) throw new Error(`waited ${DEADLINE_MS} ms for ${what}; ${this.#size()} bytes`);
    }
  }
}
