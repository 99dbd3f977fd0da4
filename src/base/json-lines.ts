/** JSON values as lines of text: how processes of the proxy speak to each other. */

/** A line that grows beyond this is a fault of the sender; a configuration of thousands of pools is far below. */
export const JSON_LINE_BYTES_MAX: number = 64 * 1024 * 1024;

const NEWLINE = 10;

/** The value as one line, newline included. JSON escapes newlines inside strings, so the line is whole. */
export function encodeJsonLine(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** Cuts a byte stream into lines and parses each. Chunks are kept until their line is complete. */
export class JsonLineDecoder {
  #parts: Buffer[] = [];
  #length = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number = JSON_LINE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /**
   * @returns the values that the chunk completed, in order.
   * @throws Error for a line that is too long, SyntaxError for one that is not JSON.
   */
  push(chunk: Buffer): unknown[] {
    const values: unknown[] = [];
    let start = 0;
    while (true) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.#keep(chunk.subarray(start, end));
      const line = Buffer.concat(this.#parts).toString();
      this.#parts = [];
      this.#length = 0;
      values.push(JSON.parse(line));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return values;
  }

  /** The beginning of a line that is not complete yet. */
  pending(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #keep(part: Buffer): void {
    this.#length += part.length;
    if (this.#length > this.#bytesMax) throw new Error("line too long");
    this.#parts.push(part);
  }
}
