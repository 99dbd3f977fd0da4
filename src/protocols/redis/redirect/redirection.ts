/** Errors with which a node of a cluster says that a request was not executed, and what to do about it. */
import { placeName } from "../cluster/slot-view.ts";

export type Redirection =
  /** The slot is elsewhere for good. */
  | { readonly type: "moved"; readonly slot: number; readonly to: string }
  /** This one request is to go there, and only there it is told that it may. */
  | { readonly type: "ask"; readonly to: string }
  /** A command with several keys, some of which are elsewhere just now. */
  | { readonly type: "again" }
  /** The node, or the whole cluster, does not serve for a moment. */
  | { readonly type: "down" };

const LONGEST = 512;
const DOWN =
  /^-(CLUSTERDOWN|LOADING|MASTERDOWN|READONLY|EXECABORT Transaction contains write commands but instance is now a read-only replica)\b/;
const ELSEWHERE = /^-(MOVED|ASK) (\d{1,5}) (\S*):(\d{1,5})\r\n$/;

/** @param asked the name of the server that said bytes[start, end), an error. @returns null: it is about the request itself */
export function readRedirection(
  bytes: Buffer,
  start: number,
  end: number,
  asked: string,
): Redirection | null {
  if (end - start > LONGEST) return null;
  const text = bytes.toString("latin1", start, end);
  if (text.startsWith("-TRYAGAIN")) return { type: "again" };
  if (DOWN.test(text)) return { type: "down" };
  const [, verb, slot, host = "", port] = ELSEWHERE.exec(text) ?? [];
  if (verb === undefined || Number(slot) >= 16_384) return null;
  const to = placeName(host, Number(port), asked);
  return verb === "ASK" ? { type: "ask", to } : { type: "moved", slot: Number(slot), to };
}
