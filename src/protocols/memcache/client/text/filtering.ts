/** Requests of Memcached clients as filters see them. Only the text protocol can be filtered. */
import type { Filtering, RequestReader } from "../../../../api/filter.ts";
import { INCOMPLETE } from "../../../../api/protocol.ts";
import type { TextCommandKind } from "../../codec/text/command.ts";
import { line, SILENT } from "../../codec/text/replies.ts";
import { TextReplyScanner } from "../../codec/text/reply-scanner.ts";
import { TextRequestScanner } from "../../codec/text/request-scanner.ts";
import { TextRequest } from "../../codec/text/text-request.ts";
import { VARIANT_TEXT } from "../connection-kinds.ts";
import type { MemcacheClientState } from "../memcache-frontend.ts";

/** First byte of every binary request. */
const BINARY_MAGIC = 0x80;
const MALFORMED = -1;
const ERROR_REPLY = /^(?:ERROR|CLIENT_ERROR|SERVER_ERROR)/;
const ERROR_BYTES = 12;

/** Where the keys of a command begin; a command that is not here has none. Of `get` and `gat` all that follow are keys. */
const FIRST_KEY: Partial<Readonly<Record<TextCommandKind, number>>> = {
  get: 1,
  gat: 2,
  store: 1,
  delete: 1,
  arithmetic: 1,
  touch: 1,
  meta_get: 1,
  meta_set: 1,
  meta_delete: 1,
  meta_arithmetic: 1,
  meta_debug: 1,
};
const WRITES: ReadonlySet<TextCommandKind> = new Set([
  ...(["store", "delete", "arithmetic", "touch", "gat", "flush_all"] as const),
  ...(["meta_set", "meta_delete", "meta_arithmetic"] as const),
]);

export const memcacheFiltering: Filtering = {
  createReader: (saved) => new MemcacheRequestReader(saved as MemcacheClientState | undefined),
  encode: (args) =>
    Buffer.concat([
      ...args.flatMap((arg, i) => [i === 0 ? SILENT : BLANK, Buffer.from(arg as string)]),
      line(""),
    ]),
  variant: VARIANT_TEXT,
  isError: (bytes, start, end) =>
    ERROR_REPLY.test(bytes.toString("latin1", start, Math.min(end, start + ERROR_BYTES))),
};

const BLANK: Buffer = Buffer.from(" ");

class MemcacheRequestReader implements RequestReader {
  isUnreadable = false;
  isRequest = false;
  readonly #scanner: TextRequestScanner = new TextRequestScanner();
  readonly #request: TextRequest = new TextRequest();
  /** Bytes of a request that is refused, which belong to no other. */
  #toSkip: number;
  /** The first byte was looked at: it says the protocol, for good. */
  #isText: boolean;

  constructor(saved: MemcacheClientState | undefined) {
    this.#toSkip = saved?.toSkip ?? 0;
    this.#isText = saved?.protocol === "text";
    this.isUnreadable = saved?.protocol === "binary";
  }

  scan(bytes: Buffer, start: number, end: number): number {
    if (this.isUnreadable) return MALFORMED;
    if (start === end) return INCOMPLETE;
    if (!this.#isText && bytes[start] === BINARY_MAGIC) {
      this.isUnreadable = true;
      return MALFORMED;
    }
    this.#isText = true;
    if (this.#toSkip > 0) {
      const skipped = Math.min(this.#toSkip, end - start);
      this.#toSkip -= skipped;
      this.isRequest = false;
      return start + skipped;
    }
    const next = this.#scanner.scan(bytes, start, end, this.#request);
    this.isRequest = next > 0 && this.#request.answer === null;
    if (next > 0) this.#toSkip = this.#request.answer === null ? 0 : this.#request.skip;
    return next;
  }

  get command(): string {
    return this.#request.command.name;
  }

  get isWrite(): boolean {
    return WRITES.has(this.#request.command.kind);
  }

  get bytes(): Buffer {
    return this.#request.bytes;
  }

  get count(): number {
    return this.#request.count;
  }

  from(i: number): number {
    return this.#request.tokenStart[i]!;
  }

  to(i: number): number {
    return this.#request.tokenEnd[i]!;
  }

  get keyCount(): number {
    const { kind } = this.#request.command;
    const first = FIRST_KEY[kind];
    if (first === undefined || this.#request.count <= first) return 0;
    return kind === "get" || kind === "gat" ? this.#request.count - first : 1;
  }

  key(i: number): Buffer {
    const { bytes, command, decodedKey, tokenStart, tokenEnd } = this.#request;
    const at = (FIRST_KEY[command.kind] ?? 0) + i;
    return decodedKey ?? bytes.subarray(tokenStart[at], tokenEnd[at]);
  }

  refusal(text: string): Buffer {
    const { isQuiet, command } = this.#request;
    return isQuiet && !command.isMeta ? SILENT : line(`SERVER_ERROR ${text}`);
  }

  isReply(bytes: Buffer): boolean {
    if (bytes.length === 0) return this.#request.isQuiet;
    return new TextReplyScanner().scan(bytes, 0, bytes.length) === bytes.length;
  }
}
