/** From received bytes to the sinks that wait for them. */
import { INCOMPLETE, KIND, type ReplyKind, type ReplyScanner } from "../api/protocol.ts";
import type { ReplySink } from "../api/upstream.ts";
import { noteKept } from "../base/byte-use.ts";
import type { InputBuffer } from "../base/input-buffer.ts";
import type { ConnectionStatistics } from "./connection-statistics.ts";
import type { PendingFifo } from "./pending-fifo.ts";
import type { StepCheck } from "./step-check.ts";

/** Returned for bytes that are no replies, or replies to no request: what follows cannot be trusted. */
export const GARBAGE: number = -1;
/** Returned when a StepCheck has found that a reply is missing, or one came too many. */
export const OUT_OF_STEP: number = -2;

/**
 * Gives every complete reply in `input` to the request that is its turn, neighbours of one sink as one range, and
 * consumes it. Pushes are consumed, whenever they come, and no sink gets them.
 * @param written where the out-queue's `appended` stood when the last byte that was sent was appended: what was queued
 *   from there on cannot have been answered
 * @param step judges what comes while its question is not answered; null: nothing is asked
 * @returns how many were waited for, GARBAGE or OUT_OF_STEP
 */
export function deliverReplies(
  input: InputBuffer,
  scanner: ReplyScanner,
  pending: PendingFifo,
  written: number,
  statistics: ConnectionStatistics,
  step: StepCheck | null,
): number {
  let replies = 0;
  for (;;) {
    const delivered = deliverUpToPush(input, scanner, pending, written, statistics, step);
    if (delivered < 0) return delivered;
    replies += delivered;
    if (input.size === 0 || input.bytes[input.start] !== scanner.pushType) return replies;
    const next = scanner.scan(input.bytes, input.start, input.end);
    if (next <= 0) return next === INCOMPLETE ? replies : GARBAGE;
    input.start = next;
    statistics.push();
  }
}

/** What deliverReplies does, until a push follows. */
function deliverUpToPush(
  input: InputBuffer,
  scanner: ReplyScanner,
  pending: PendingFifo,
  written: number,
  statistics: ConnectionStatistics,
  step: StepCheck | null,
): number {
  const { bytes, end } = input;
  const { pushType } = scanner;
  let position = input.start;
  let replies = 0;
  let next = INCOMPLETE;
  // A run: replies with consecutive tokens of one sink.
  let sink: ReplySink | null = null;
  let token = 0;
  let count = 0;
  let from = position;
  while (position < end && bytes[position] !== pushType) {
    next = scanReply(input, position, scanner, pending, written, step);
    if (next <= 0) break;
    countIfError(scanner, pending, statistics, bytes, position, next);
    const nextSink = pending.sink;
    const nextToken = pending.token;
    if (nextSink === sink && sink !== null && nextToken === token + count && sink.takesRuns) {
      count++;
    } else {
      if (sink !== null) {
        sink.onReplies(
          token,
          count,
          bytes,
          from,
          position,
          kindFor(sink, scanner, bytes, from, position),
        );
        // The sink had the connection closed: the clients that waited were told, or are gone.
        if (input.bytes !== bytes) return replies;
      }
      pending.noteIfSlow();
      sink = nextSink;
      token = nextToken;
      count = 1;
      from = position;
    }
    pending.shift();
    // A late one, which no client waits for any more, is no sign of health.
    if (nextSink !== null) replies++;
    position = next;
  }
  // Before the sink is told: it may look at the connection, to give it back.
  input.start = position;
  if (sink !== null)
    sink.onReplies(
      token,
      count,
      bytes,
      from,
      position,
      kindFor(sink, scanner, bytes, from, position),
    );
  return next < 0 ? next : replies;
}

/** The complete reply bytes[start, end), to the oldest request. */
function countIfError(
  scanner: ReplyScanner,
  pending: PendingFifo,
  statistics: ConnectionStatistics,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  const { errorBytes } = scanner;
  if (errorBytes === undefined || errorBytes[bytes[start]!] === 0 || pending.isQuestion) return;
  statistics.errorReply(scanner.errorOf!(bytes, start, end));
}

/** The kind of the reply bytes[start, end), for a sink that wants to know it. */
function kindFor(
  sink: ReplySink,
  scanner: ReplyScanner,
  bytes: Buffer,
  start: number,
  end: number,
): ReplyKind {
  return sink.takesRuns ? KIND.mixed : scanner.kindOf(bytes, start, end);
}

/** Where the reply to the oldest request, which begins at `position`, ends; INCOMPLETE; GARBAGE or OUT_OF_STEP. */
function scanReply(
  { bytes, end }: InputBuffer,
  position: number,
  scanner: ReplyScanner,
  pending: PendingFifo,
  written: number,
  step: StepCheck | null,
): number {
  // Even the beginning of a reply that was not asked for: its rest would answer the next request.
  const isAsked = pending.size > 0 && pending.offset < written;
  if (!isAsked) return GARBAGE;
  if (pending.sink?.copiesReplies !== true) noteKept();
  const next = scanner.scan(bytes, position, end);
  if (next < 0) return GARBAGE;
  if (next === INCOMPLETE) return next;
  const asked = step === null ? null : step.asked;
  if (asked !== null && !step!.fits(asked, pending.isQuestion, bytes, position, next)) {
    return OUT_OF_STEP;
  }
  if (!scanner.identifiesRequests) return next;
  const { sink } = pending;
  // One that is out of step would be the reply to another client.
  const isAccepted = sink?.accepts?.(pending.token, bytes, position, next, scanner.parts) ?? true;
  return isAccepted ? next : GARBAGE;
}
