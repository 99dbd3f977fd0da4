/** The reply to a meta get that finds nothing, as memcached words it: with opaque and key where they were asked for. */
import { MISS } from "../../codec/meta/replies.ts";
import { line } from "../../codec/text/replies.ts";
import type { TextRequest } from "../../codec/text/text-request.ts";

const OPAQUE = 0x4f;
const KEY = 0x6b;

export function metaMiss(request: TextRequest): Buffer {
  let words = "";
  for (let i = 2; i < request.count; i++) {
    const flag = request.bytes[request.tokenStart[i]!];
    if (flag === OPAQUE) words += ` ${request.text(i)}`;
    if (flag === KEY) words += ` k${request.text(1)}${request.decodedKey === null ? "" : " b"}`;
  }
  return words === "" ? MISS : line(`EN${words}`);
}
