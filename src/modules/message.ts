/** Messages of a protocol as its author sees them, and scanners for those that are made of lines. */
import type { Message, Scanner } from "proxy/module";
import { MODULE_LINE_BYTES_MAX } from "../base/limits.ts";

const LF = 10;
const CR = 13;
const NONE: Buffer = Buffer.alloc(0);

/** A view that may be bound to one message after the other. */
export class MessageView implements Message {
  #from: Buffer = NONE;
  #start = 0;
  #end = 0;
  /** Of the first line; null: it was not looked at. */
  #line: string | null = null;
  #words: readonly string[] | null = null;
  /** Where the first line ends, behind its LF. */
  #lineEnd = 0;

  /** @returns itself */
  bind(from: Buffer, start: number, end: number): this {
    this.#from = from;
    this.#start = start;
    this.#end = end;
    this.#line = null;
    this.#words = null;
    return this;
  }

  /** It shows nothing any more, and pins nothing. */
  unbind(): void {
    this.bind(NONE, 0, 0);
  }

  get bytes(): Buffer {
    return this.#from.subarray(this.#start, this.#end);
  }

  get text(): string {
    if (this.#line !== null) return this.#line;
    const from = this.#from;
    const start = this.#start;
    const end = this.#end;
    const at = from.indexOf(LF, start);
    const isLine = at >= 0 && at < end;
    this.#lineEnd = isLine ? at + 1 : end;
    const hasReturn = isLine && at > start && from[at - 1] === CR;
    const line = from.toString("latin1", start, hasReturn ? at - 1 : isLine ? at : end);
    this.#line = line;
    return line;
  }

  word(i: number): string {
    return this.#all[i] ?? "";
  }

  get count(): number {
    return this.#all.length;
  }

  get body(): Buffer {
    // Finds where it begins.
    void this.text;
    return this.#from.subarray(this.#lineEnd, this.#end);
  }

  get bodyText(): string {
    void this.text;
    return this.#from.toString("latin1", this.#lineEnd, this.#end);
  }

  get #all(): readonly string[] {
    this.#words ??= this.text.split(" ").filter((word) => word !== "");
    return this.#words;
  }
}

/** The API's `lines`. */
export function lines({
  body,
  max = MODULE_LINE_BYTES_MAX,
  end: ending = "\r\n",
}: {
  readonly body?: (line: Message) => number;
  readonly max?: number;
  readonly end?: "\r\n" | "\n";
} = {}): Scanner {
  const needsReturn = ending === "\r\n";
  const line = new MessageView();
  return (bytes, start, end) => {
    const at = bytes.indexOf(LF, start);
    if (at < 0 || at >= end) return end - start > max ? -1 : 0;
    if (at - start > max) return -1;
    // What one reader takes for the end of a line and another does not would put requests and replies out of step.
    if (needsReturn && (at === start || bytes.indexOf(CR, start) !== at - 1)) return -1;
    if (body === undefined) return at + 1;
    const length = body(line.bind(toBuffer(bytes), start, at + 1));
    line.unbind();
    const isLength = Number.isSafeInteger(length) && length > 0;
    const next = at + 1 + (isLength ? length : 0);
    return next <= end ? next : 0;
  };
}

/** The same memory. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A copy of bytes that an author gave; text is one character for each byte. @throws TypeError: they are none */
export function bytesOf(given: unknown, what: string): Buffer {
  if (given instanceof Uint8Array) return Buffer.from(given);
  if (typeof given !== "string") throw new TypeError(`${what} is no text and no Uint8Array`);
  if (BEYOND_BYTES.test(given)) {
    throw new TypeError(`${what} has characters that are no bytes: encode it, as a Uint8Array`);
  }
  return Buffer.from(given, "latin1");
}

const BEYOND_BYTES = /[^\0-\xff]/;
