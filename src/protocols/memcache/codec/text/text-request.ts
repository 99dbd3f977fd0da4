/** One scanned text request. Reused: valid until the next scan. Borrows its bytes from the input. */
import { type Access, NO_TENANT, type RequestFacts } from "../../../../api/request-facts.ts";
import { type TextCommand, UNKNOWN } from "./command.ts";

const TOKENS_START = 32;
const NONE: Buffer = Buffer.alloc(0);

export class TextRequest implements RequestFacts {
  bytes: Buffer = NONE;
  /** The whole request, data block included, is bytes[start, end). */
  start = 0;
  end = 0;
  /** The command line is bytes[start, lineEnd), its end included; what follows is the data block with its end. */
  lineEnd = 0;
  command: TextCommand = UNKNOWN;
  /** Tokens of the line, the command's name included. */
  count = 0;
  /** Token i is bytes[tokenStart[i], tokenEnd[i]). */
  tokenStart: Int32Array = new Int32Array(TOKENS_START);
  tokenEnd: Int32Array = new Int32Array(TOKENS_START);
  /** Of the key that was looked at last (`key`). */
  keyStart = 0;
  keyEnd = 0;
  readonly tenant: number = NO_TENANT;
  /** Single blanks between the tokens, none elsewhere, and CR LF at the end. */
  isPlain = false;

  /** Not null: the request goes to no server, this is the reply (empty: none). */
  answer: Buffer | null = null;
  /** Bytes behind `end` that belong to the request, and that are of no use. */
  skip = 0;
  /** The client wants no reply to success: classic commands' `noreply`, meta commands' `q`. */
  isQuiet = false;
  /** bytes[cutFrom, cutTo) of the line is not to be sent on; empty: all of it is. */
  cutFrom = 0;
  cutTo = 0;
  /** Not null: to be sent instead of the line as it came. */
  line: Buffer | null = null;
  /** Not null: the key, which stands in the line as base64. */
  decodedKey: Buffer | null = null;

  get access(): Access {
    return this.command.access;
  }

  get commandName(): string {
    return this.command.upperName;
  }

  /** These facts, with token i as the key. */
  key(i: number): this {
    this.keyStart = this.tokenStart[i]!;
    this.keyEnd = this.tokenEnd[i]!;
    return this;
  }

  /** Token i as text of its bytes. Allocates: not for the path of ordinary requests. */
  text(i: number): string {
    return this.bytes.toString("latin1", this.tokenStart[i], this.tokenEnd[i]);
  }

  /** Whether token i is `word` (latin1). */
  is(i: number, word: Buffer): boolean {
    const start = this.tokenStart[i]!;
    if (this.tokenEnd[i]! - start !== word.length) return false;
    for (let at = 0; at < word.length; at++) if (this.bytes[start + at] !== word[at]) return false;
    return true;
  }

  /** Bytes of token i. */
  length(i: number): number {
    return this.tokenEnd[i]! - this.tokenStart[i]!;
  }

  /** Makes room for more tokens. Grows with what was received. */
  grow(): void {
    const starts = new Int32Array(this.tokenStart.length * 2);
    starts.set(this.tokenStart);
    this.tokenStart = starts;
    const ends = new Int32Array(starts.length);
    ends.set(this.tokenEnd);
    this.tokenEnd = ends;
  }

  /** Lets go of the request: its bytes are pinned no more, and the memory of an unusually long one is given back. */
  release(): void {
    this.bytes = NONE;
    this.line = null;
    this.decodedKey = null;
    if (this.tokenStart.length <= 4096) return;
    this.tokenStart = new Int32Array(TOKENS_START);
    this.tokenEnd = new Int32Array(TOKENS_START);
  }
}
