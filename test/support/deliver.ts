/** What a stream hears of received bytes, as engines of both kinds tell it. */
import type { StreamEvents } from "../../src/api/stream.ts";

const SCRIBBLE = 0x58;
/** Bytes of others lie before and behind. */
const MARGIN = 16;

let reused: Buffer = Buffer.alloc(0);

/**
 * `bytes` have come.
 * @param isStable in a buffer of their own. Else in one that is written to as soon as the call is over, as by an engine that receives
 *   into the same buffer again
 */
export function deliver(
  events: Pick<StreamEvents, "onBytes">,
  bytes: Buffer,
  isStable: boolean,
): void {
  if (isStable) {
    events.onBytes(Buffer.from(bytes), 0, bytes.length, true);
    return;
  }
  if (reused.length < bytes.length + 2 * MARGIN)
    reused = Buffer.alloc(2 * bytes.length + 2 * MARGIN);
  // A delivery inside of this one needs a buffer of its own.
  const buffer = reused;
  reused = Buffer.alloc(0);
  buffer.fill(SCRIBBLE);
  bytes.copy(buffer, MARGIN);
  events.onBytes(buffer, MARGIN, MARGIN + bytes.length, false);
  buffer.fill(SCRIBBLE);
  reused = buffer;
}
