/** From received bytes to the sinks that wait for them. */
import { INCOMPLETE, type ReplyScanner } from "../api/protocol.ts";
import type { ReplySink } from "../api/upstream.ts";
import type { InputBuffer } from "../base/input-buffer.ts";
import type { PendingFifo } from "./pending-fifo.ts";

/** Returned for bytes that are no replies, or replies that nobody asked for: what follows cannot be trusted. */
export const GARBAGE: number = -1;

/**
 * Gives every complete reply in `input` to the request that is its turn, neighbours of one sink as one range, and
 * consumes it.
 * @param written where the out-queue's `appended` stood when the last byte that was sent was appended: what was queued
 *   from there on cannot have been answered
 * @returns how many were waited for, or GARBAGE
 */
export function deliverReplies(
  input: InputBuffer,
  scanner: ReplyScanner,
  pending: PendingFifo,
  written: number,
): number {
  const { bytes, end } = input;
  let position = input.start;
  let replies = 0;
  let next = INCOMPLETE;
  // A run: replies with consecutive tokens of one sink.
  let sink: ReplySink | null = null;
  let token = 0;
  let count = 0;
  let from = position;
  while (position < end) {
    // Even the beginning of a reply that nobody asked for: its rest would answer the next request.
    const isAsked = pending.size > 0 && pending.offset < written;
    next = isAsked ? scanner.scan(bytes, position, end) : GARBAGE;
    if (next <= 0) break;
    const nextSink = pending.sink;
    if (nextSink === sink && pending.token === token + count) {
      count++;
    } else {
      if (sink !== null) {
        sink.onReplies(token, count, bytes, from, position);
        // The sink had the connection closed: whoever waited was told, or is gone.
        if (input.bytes !== bytes) return replies;
      }
      sink = nextSink;
      token = pending.token;
      count = 1;
      from = position;
    }
    pending.shift();
    // A late one, which nobody waits for any more, is no sign of health.
    if (nextSink !== null) replies++;
    position = next;
  }
  // Before the sink is told: it may look at the connection, to give it back.
  input.start = position;
  if (sink !== null) sink.onReplies(token, count, bytes, from, position);
  return next < 0 ? GARBAGE : replies;
}
