/** What is asked of servers about transactions. */
import { encodeRequest } from "../../codec/encode.ts";

export const MULTI: Buffer = encodeRequest("MULTI");
export const EXEC: Buffer = encodeRequest("EXEC");
export const DISCARD: Buffer = encodeRequest("DISCARD");
export const UNWATCH: Buffer = encodeRequest("UNWATCH");
