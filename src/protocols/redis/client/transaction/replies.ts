/** What the proxy says itself about transactions, in Redis's words where Redis has some. */
import type { Route, Upstream } from "../../../../api/upstream.ts";
import { TRANSACTION_KEPT_BYTES_MAX } from "../../../../base/limits.ts";
import { encodeError } from "../../codec/encode.ts";

export const OK: Buffer = Buffer.from("+OK\r\n");
export const QUEUED: Buffer = Buffer.from("+QUEUED\r\n");
export const EMPTY: Buffer = Buffer.from("*0\r\n");
/** What EXEC says when something that is watched has changed. */
export const CHANGED: readonly Buffer[] = [Buffer.from("*-1\r\n"), Buffer.from("_\r\n")];
export const NESTED: Buffer = encodeError("ERR MULTI calls can not be nested");
export const WATCH_INSIDE: Buffer = encodeError("ERR WATCH inside MULTI is not allowed");
export const EXEC_WITHOUT: Buffer = encodeError("ERR EXEC without MULTI");
export const DISCARD_WITHOUT: Buffer = encodeError("ERR DISCARD without MULTI");
export const ABORTED: Buffer = encodeError(
  "EXECABORT Transaction discarded because of previous errors.",
);
export const TOO_MUCH_KEPT: Buffer = encodeError(
  `ERR more than ${TRANSACTION_KEPT_BYTES_MAX} bytes of commands without a key come before the first command with one`,
);

export const TOO_LONG: Buffer = encodeError(
  `ERR more than ${TRANSACTION_KEPT_BYTES_MAX} bytes of commands are in a transaction that is kept until EXEC`,
);
export const NO_WATCH: Buffer = encodeError(
  "ERR WATCH is not possible in a pool that splits transactions over its servers (transactions: split)",
);
export const NO_CHANGE: Buffer = encodeError(
  "ERR SELECT, AUTH and HELLO cannot be in a transaction that is split over servers (transactions: split); use them before MULTI or after EXEC",
);

/** What was queued or watched is lost, because keys have come to belong to other servers. */
export const KEYS_MOVE = "ERR keys of this pool began to move to other servers";

/** Why what was queued or watched at `upstream` is lost; with its code. */
export function lossOf(upstream: Upstream, { all }: Route): string {
  if (all.includes(upstream)) return `ERR the connection to server ${upstream.name} was lost`;
  return `ERR server ${upstream.name} was taken out of the pool`;
}

/** EXEC is refused, and its transaction ends. `fault` is an error with its code. */
export function abortedBecause(fault: string): Buffer {
  return encodeError(`EXECABORT Transaction discarded because of: ${fault.replace(/^ERR /, "")}`);
}
