/** RESP2 and RESP3 that the proxy itself authors. All of it allocates: none is for the path of ordinary requests. */

/** A request as multibulk, texts in UTF-8. */
export function encodeRequest(...values: readonly (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${values.length}\r\n`)];
  for (const value of values) {
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(pieces);
}

const CRLF: Buffer = Buffer.from("\r\n");

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

/** The version of the protocol that a client chose with HELLO. */
export type RespVersion = 2 | 3;

/** A bulk string, a text for humans (in RESP2: bulk string), an integer, null, a status line, a set (in RESP2: array), a map (in RESP2: flat array) or an array. */
export type Value =
  | string
  | Buffer
  | number
  | null
  | { readonly status: string }
  | { readonly verbatim: Buffer }
  | { readonly setOf: readonly Value[] }
  | { readonly mapOf: readonly (readonly [Value, Value])[] }
  | readonly Value[];

export function encodeValue(value: Value, version: RespVersion): Buffer {
  const pieces: Buffer[] = [];
  write(value, version, pieces);
  return Buffer.concat(pieces);
}

/** A message of RESP3 that answers no request. */
export function encodePush(message: readonly Value[]): Buffer {
  const bytes = encodeValue(message, 3);
  bytes.write(">");
  return bytes;
}

function write(value: Value, version: RespVersion, pieces: Buffer[]): void {
  if (value === null) pieces.push(version === 3 ? NULL : NULL_BULK);
  else if (typeof value === "number") pieces.push(encodeInteger(value));
  else if (typeof value === "string" || Buffer.isBuffer(value)) {
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  } else if ("verbatim" in value) writeVerbatim(value.verbatim, version, pieces);
  else if ("status" in value) pieces.push(Buffer.from(`+${value.status}\r\n`));
  else if ("setOf" in value) writeAll(version === 3 ? "~" : "*", value.setOf, version, pieces);
  else if ("mapOf" in value) writeMap(value.mapOf, version, pieces);
  else writeAll("*", value, version, pieces);
}

function writeVerbatim(bytes: Buffer, version: RespVersion, pieces: Buffer[]): void {
  const head = version === 3 ? `=${bytes.length + 4}\r\ntxt:` : `$${bytes.length}\r\n`;
  pieces.push(Buffer.from(head), bytes, CRLF);
}

function writeMap(
  pairs: readonly (readonly [Value, Value])[],
  version: RespVersion,
  pieces: Buffer[],
): void {
  const length = version === 3 ? `%${pairs.length}` : `*${pairs.length * 2}`;
  pieces.push(Buffer.from(`${length}\r\n`));
  for (const element of pairs.flat()) write(element, version, pieces);
}

function writeAll(
  type: string,
  elements: readonly Value[],
  version: RespVersion,
  pieces: Buffer[],
): void {
  pieces.push(Buffer.from(`${type}${elements.length}\r\n`));
  for (const element of elements) write(element, version, pieces);
}

const NULL: Buffer = Buffer.from("_\r\n");
const NULL_BULK: Buffer = Buffer.from("$-1\r\n");
