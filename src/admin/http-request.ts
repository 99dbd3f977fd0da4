/** Reads the head of an HTTP request: only what the admin's pages need. */
import { ORDER_BYTES_MAX } from "../base/page-limits.ts";

export interface HttpRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** What stands behind the path's "?", by name; of several of one name the last. */
  readonly query: ReadonlyMap<string, string>;
  /** The value of a header, by its name in lower case; "" when it is not there. */
  header(name: string): string;
  /** What stands behind the head of a POST, as UTF-8; else "". */
  readonly body: string;
  /** The other end of the connection: "10.0.0.7:51814", or "a unix socket". */
  readonly peer: string;
}

/** As it is known when the head has come. */
export type RequestHead = Omit<HttpRequest, "body" | "peer">;

/** The bytes so far are no head yet; or they can be none. */
export type UnreadRequest = "incomplete" | "malformed" | "too large";
/** Why a body is not read. */
export type UnreadBody = "malformed" | "body too large" | "body of no length";

/** Longest head that is read. */
export const HEAD_BYTES_MAX = 8192;

const REQUEST_LINE = /^([A-Z]{1,16}) (\/[\x21-\x7e]*) HTTP\/1\.[01]$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** @param text what came, as latin1 */
export function readRequest(text: string): RequestHead | UnreadRequest {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return text.length > HEAD_BYTES_MAX ? "too large" : "incomplete";
  if (end > HEAD_BYTES_MAX) return "too large";
  const [first = "", ...lines] = text.substring(0, end).split("\r\n");
  const request = REQUEST_LINE.exec(first);
  if (request === null) return "malformed";
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.substring(0, Math.max(colon, 0)).toLowerCase();
    const value = line.substring(colon + 1);
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) return "malformed";
    const before = headers.get(name);
    // Two tokens: neither is believed.
    headers.set(name, before === undefined ? value.trim() : `${before}, ${value.trim()}`);
  }
  const [, method = "", target = ""] = request;
  const query = target.indexOf("?");
  return {
    method,
    path: query === -1 ? target : target.substring(0, query),
    query: new Map(new URLSearchParams(query === -1 ? "" : target.substring(query + 1))),
    header: (name) => headers.get(name) ?? "",
  };
}

/** Bytes of the body that follows; only that of a POST is of interest. */
export function bodyLength({ method, header }: RequestHead): number | UnreadBody {
  if (method !== "POST") return 0;
  if (header("transfer-encoding") !== "") return "body of no length";
  const length = header("content-length");
  if (length === "") return 0;
  if (!/^\d{1,12}$/.test(length)) return "malformed";
  return Number(length) <= ORDER_BYTES_MAX ? Number(length) : "body too large";
}
