/**
 * Cuts a client's bytes into requests: arrays of bulk strings, or inline lines, as Redis 7 reads them.
 *
 * State survives between chunks, so no byte is looked at twice and a large value is joined once.
 */
import { splitInline } from "./inline-request.ts";

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const STAR = 42;
const INT_MAX = 2_147_483_647;

/** Longest line (a count or an inline request) in bytes; Redis's PROTO_INLINE_MAX_SIZE. */
export const LINE_BYTES_MAX: number = 64 * 1024;
/** Longest bulk string in bytes; Redis's default proto-max-bulk-len. */
export const BULK_BYTES_MAX: number = 512 * 1024 * 1024;

/** The client broke the protocol: the text is its last reply, then the connection is closed. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export class RequestParser {
  readonly #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #buffer: Buffer = Buffer.alloc(0);
  #position = 0;
  /** Unread bytes below which another attempt is useless. */
  #needed = 1;
  /** Bulk strings that the current request still lacks; 0: between requests. */
  #missing = 0;
  #bulkLength = -1;
  #args: string[] = [];

  /** The chunk is kept until it is consumed. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
  }

  /** Bytes received and not consumed yet. */
  get pendingBytes(): number {
    return this.#buffer.length - this.#position + this.#chunkBytes;
  }

  /** The next request as byte strings (never empty), or null: more bytes are needed. @throws ProtocolError */
  next(): string[] | null {
    while (this.#ready()) {
      if (this.#missing > 0) {
        if (!this.#readBulk()) continue;
        if (this.#missing === 0) return this.#takeArgs();
      } else if (this.#buffer[this.#position] === STAR) {
        this.#readCount();
      } else {
        const args = this.#readInline();
        if (args !== null && args.length > 0) return args;
      }
    }
    return null;
  }

  /** Joins what was received once it can be enough. */
  #ready(): boolean {
    if (this.pendingBytes < this.#needed) return false;
    if (this.#chunkBytes > 0) {
      const rest = this.#buffer.subarray(this.#position);
      this.#buffer = Buffer.concat([rest, ...this.#chunks]);
      this.#position = 0;
      this.#chunks.length = 0;
      this.#chunkBytes = 0;
    }
    this.#needed = 1;
    return true;
  }

  #takeArgs(): string[] {
    const args = this.#args;
    this.#args = [];
    return args;
  }

  #waitForMore(): null {
    this.#needed = this.#buffer.length - this.#position + 1;
    return null;
  }

  /** The text between the type byte and CR LF, or null when the line is not complete. */
  #readLine(tooLong: string): string | null {
    const end = this.#buffer.indexOf(CR, this.#position);
    if (end < 0) {
      if (this.#buffer.length - this.#position > LINE_BYTES_MAX) throw new ProtocolError(tooLong);
      return this.#waitForMore();
    }
    if (end + 2 > this.#buffer.length) return this.#waitForMore();
    const text = this.#buffer.toString("latin1", this.#position + 1, end);
    this.#position = end + 2;
    return text;
  }

  #readCount(): void {
    const text = this.#readLine("Protocol error: too big mbulk count string");
    if (text === null) return;
    const count = parseLength(text);
    if (count === null || count > INT_MAX) {
      throw new ProtocolError("Protocol error: invalid multibulk length");
    }
    this.#missing = Math.max(count, 0);
  }

  /** @returns whether an argument was completed */
  #readBulk(): boolean {
    if (this.#bulkLength < 0 && !this.#readBulkLength()) return false;
    const length = this.#bulkLength;
    const start = this.#position;
    if (this.#buffer.length - start < length + 2) {
      this.#needed = length + 2;
      return false;
    }
    this.#args.push(this.#buffer.toString("latin1", start, start + length));
    this.#position = start + length + 2;
    this.#bulkLength = -1;
    this.#missing -= 1;
    return true;
  }

  #readBulkLength(): boolean {
    const type = this.#buffer[this.#position];
    const text = this.#readLine("Protocol error: too big bulk count string");
    if (text === null) return false;
    if (type !== DOLLAR) {
      const found = String.fromCharCode(type ?? 0);
      throw new ProtocolError(`Protocol error: expected '$', got '${found}'`);
    }
    const length = parseLength(text);
    if (length === null || length < 0 || length > BULK_BYTES_MAX) {
      throw new ProtocolError("Protocol error: invalid bulk length");
    }
    this.#bulkLength = length;
    return true;
  }

  #readInline(): string[] | null {
    const end = this.#buffer.indexOf(LF, this.#position);
    if (end < 0) {
      if (this.#buffer.length - this.#position > LINE_BYTES_MAX) {
        throw new ProtocolError("Protocol error: too big inline request");
      }
      return this.#waitForMore();
    }
    const hasCr = end > this.#position && this.#buffer[end - 1] === CR;
    const args = splitInline(
      this.#buffer.toString("latin1", this.#position, hasCr ? end - 1 : end),
    );
    if (args === null) throw new ProtocolError("Protocol error: unbalanced quotes in request");
    this.#position = end + 1;
    return args;
  }
}

function parseLength(text: string): number | null {
  return /^(0|-?[1-9][0-9]{0,17})$/.test(text) ? Number(text) : null;
}
