/** RESP2 that the proxy itself authors. All of it allocates: none is for the path of ordinary requests. */

/** A request as multibulk, arguments in UTF-8. */
export function encodeRequest(...values: readonly string[]): Buffer {
  const parts = values.map((value) => `$${Buffer.byteLength(value)}\r\n${value}\r\n`);
  return Buffer.from(`*${values.length}\r\n${parts.join("")}`);
}

/**
 * "-TEXT\r\n"; `text` begins with a code such as ERR. What could break the line becomes a blank.
 * A text of characters up to U+00FF stands for the bytes that a client sent; any other goes out as UTF-8.
 */
export function encodeError(text: string): Buffer {
  const encoding = /^[\0-\xff]*$/.test(text) ? "latin1" : "utf8";
  return Buffer.from(`-${text.replace(/[\r\n]/g, " ")}\r\n`, encoding);
}

const headers: Buffer[] = [];
const KEPT_HEADERS_MAX = 1024;

/** "*COUNT\r\n"; must not be changed: the short ones are handed out again and again. */
export function arrayHeader(count: number): Buffer {
  if (count >= KEPT_HEADERS_MAX) return Buffer.from(`*${count}\r\n`);
  headers[count] ??= Buffer.from(`*${count}\r\n`);
  return headers[count];
}

export function encodeInteger(value: number): Buffer {
  return Buffer.from(`:${value}\r\n`);
}

/** What can be said in RESP2: a bulk string, an integer, a status line, null, or an array of these. */
export type Value =
  | string
  | Buffer
  | number
  | null
  | { readonly status: string }
  | readonly Value[];

export function encodeValue(value: Value): Buffer {
  const pieces: Buffer[] = [];
  write(value, pieces);
  return Buffer.concat(pieces);
}

function write(value: Value, pieces: Buffer[]): void {
  if (value === null) pieces.push(Buffer.from("$-1\r\n"));
  else if (typeof value === "number") pieces.push(encodeInteger(value));
  else if (typeof value === "string" || Buffer.isBuffer(value)) {
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  } else if ("status" in value) pieces.push(Buffer.from(`+${value.status}\r\n`));
  else {
    pieces.push(Buffer.from(`*${value.length}\r\n`));
    for (const element of value) write(element, pieces);
  }
}
