/** Goes through the elements of an array reply one by one, where they stand: strings and integers. */
import { parseLength, RedisReplyScanner } from "./reply-scanner.ts";

const CR = 13;
const COLON = 0x3a;

export class ElementReader {
  /** How many elements the array says that it has. */
  readonly count: number;
  /** The element at hand is bytes[start, position). */
  start = 0;
  position: number;

  private readonly bytes: Buffer;
  private readonly scanner: RedisReplyScanner = new RedisReplyScanner(3);
  private read = 0;

  /** @param bytes one whole reply, as a reply scanner found it: an array, or else a single integer */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    const isInteger = bytes[0] === COLON;
    const lineEnd = bytes.indexOf(CR);
    this.count = isInteger ? 1 : Math.max(parseLength(bytes, 1, lineEnd), 0);
    this.position = isInteger ? 0 : lineEnd + 2;
  }

  /** Goes on to the next element. False: there is none. */
  next(): boolean {
    if (this.read >= this.count) return false;
    const end = this.scanner.scan(this.bytes, this.position, this.bytes.length);
    if (end <= 0) return false;
    this.start = this.position;
    this.position = end;
    this.read++;
    return true;
  }

  /** The string at hand, one character per byte. */
  get text(): string {
    const { bytes, start, position } = this;
    return bytes.toString("latin1", bytes.indexOf(CR, start) + 2, position - 2);
  }

  /** The integer at hand; 0 when it is none. */
  get integer(): number {
    const { bytes, start, position } = this;
    const isInteger = bytes[start] === COLON;
    return isInteger ? Math.max(parseLength(bytes, start + 1, position - 2), 0) : 0;
  }

  /** The first element, an integer. */
  get single(): number {
    return this.next() ? this.integer : 0;
  }
}
