/** What comes to a Memcached port and is in another protocol. */
import { type Foreign, HTTP_METHOD, isTls } from "../../../foreign.ts";
import type { TextRequest } from "./text-request.ts";

/**
 * What an unknown command shows its sender to speak; null: text with a mistake in it.
 * memcached, too, hangs up on those who speak HTTP.
 */
export function foreignRequest(request: TextRequest): Foreign | null {
  const { bytes, start, lineEnd, count } = request;
  if (isTls(bytes, start, lineEnd)) return "tls";
  if (count === 0) return null;
  const first = request.text(0);
  // RESP's "*2": its arguments follow on lines of their own, and must not be taken for commands.
  if (count === 1 && /^\*\d+$/.test(first)) return "redis";
  return isHttp(request, first) ? "http" : null;
}

/**
 * A web page can have a browser send a request to any port, and with it a body of its choice: the body must not be
 * executed. So must what an attacker has put into the path of an address that a program asks for.
 */
function isHttp(request: TextRequest, first: string): boolean {
  const last = request.count - 1;
  if (request.text(last).startsWith("HTTP/") || /^host:/i.test(first)) return true;
  return last > 0 && HTTP_METHOD.test(first) && /^(?:\/|https?:)/.test(request.text(1));
}
