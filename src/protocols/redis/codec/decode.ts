/**
 * Replies as values, for the few that the proxy itself has to understand. Not for the path of ordinary requests.
 *
 * Whatever a reply scanner lets through is decoded without an exception: what makes no sense becomes null.
 */
import { RedisReplyScanner } from "./reply-scanner.ts";

/** Bulk, status and verbatim strings are Buffers; maps, sets and pushes are flat arrays; attributes are left out. */
export type Decoded = Buffer | number | bigint | boolean | null | ReplyError | readonly Decoded[];

/** An error reply, without its "-" or "!". */
export class ReplyError {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** @param bytes one whole reply, as a reply scanner found it, is bytes[start, …); kept by what is returned */
export function decodeReply(bytes: Buffer, start: number): Decoded {
  return new Decoder(bytes, start).next();
}

class Decoder {
  private readonly bytes: Buffer;
  private position: number;
  /** Aggregates around the value at hand. */
  private depth = 0;

  constructor(bytes: Buffer, position: number) {
    this.bytes = bytes;
    this.position = position;
  }

  next(): Decoded {
    // There may be any number of attributes, one after the other.
    while (this.bytes[this.position] === BAR) this.elements(2 * Number(this.line()));
    const type = String.fromCharCode(this.bytes[this.position]!);
    const line = this.line();
    switch (type) {
      case ":":
      case "(":
        return integerOf(line);
      case ",":
        return Number(line.replace("inf", "Infinity"));
      case "#":
        return line === "t";
      case "_":
        return null;
      case "-":
        return new ReplyError(line);
      case "$":
        return this.bulk(Number(line));
      case "=":
        return this.bulk(Number(line))?.subarray(VERBATIM_PREFIX_BYTES) ?? null;
      case "!":
        return new ReplyError(this.bulk(Number(line))?.toString("latin1") ?? "");
      case "%":
        return this.elements(2 * Number(line));
      case "*":
      case "~":
      case ">":
        return line === "-1" ? null : this.elements(Number(line));
      default:
        return Buffer.from(line, "latin1");
    }
  }

  private line(): string {
    const end = this.bytes.indexOf("\r\n", this.position, "latin1");
    const line = this.bytes.toString("latin1", this.position + 1, end);
    this.position = end + 2;
    return line;
  }

  private bulk(length: number): Buffer | null {
    if (length < 0) return null;
    const value = this.bytes.subarray(this.position, this.position + length);
    this.position += length + 2;
    return value;
  }

  private elements(count: number): Decoded[] {
    const found: Decoded[] = [];
    this.depth++;
    for (let i = 0; i < count; i++) found.push(this.depth > DEPTH_MAX ? this.skip() : this.next());
    this.depth--;
    return found;
  }

  /** Moves over the value at hand. */
  private skip(): null {
    this.position = new RedisReplyScanner(3).scan(this.bytes, this.position, this.bytes.length);
    return null;
  }
}

const BAR = 0x7c;
/** "txt:" */
const VERBATIM_PREFIX_BYTES = 4;

/** No reply that the proxy has to understand is nested any deeper; the stack is not endless. */
const DEPTH_MAX = 64;

function integerOf(line: string): number | bigint | null {
  // To make a number of very many digits takes very long.
  if (!/^[+-]?\d{1,100}$/.test(line)) return null;
  const value = Number(line);
  return Number.isSafeInteger(value) ? value : BigInt(line);
}
