/** Replies as values, for the few that the proxy itself has to understand. Not for the path of ordinary requests. */

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

  constructor(bytes: Buffer, position: number) {
    this.bytes = bytes;
    this.position = position;
  }

  next(): Decoded {
    const type = String.fromCharCode(this.bytes[this.position]!);
    const line = this.line();
    switch (type) {
      case ":":
        return integerOf(line);
      case "(":
        return BigInt(line);
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
      case "|":
        this.elements(2 * Number(line));
        return this.next();
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
    for (let i = 0; i < count; i++) found.push(this.next());
    return found;
  }
}

/** "txt:" */
const VERBATIM_PREFIX_BYTES = 4;

function integerOf(line: string): number | bigint {
  const value = Number(line);
  return Number.isSafeInteger(value) ? value : BigInt(line);
}
