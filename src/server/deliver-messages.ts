/** From received bytes to a listener that hears of everything that comes. */
import { INCOMPLETE, type ReplyScanner } from "../api/protocol.ts";
import type { SubscriberEvents } from "../api/upstream.ts";
import { noteKept } from "../base/byte-use.ts";
import type { InputBuffer } from "../base/input-buffer.ts";
import { GARBAGE } from "./deliver-replies.ts";

/** Gives every complete message in `input` to `listener`, and consumes it. @returns how many, or GARBAGE */
export function deliverMessages(
  input: InputBuffer,
  scanner: ReplyScanner,
  listener: Pick<SubscriberEvents, "onMessage">,
): number {
  let messages = 0;
  // Empty when the listener has had the connection closed.
  while (input.start < input.end) {
    const { bytes, start } = input;
    const next = scanner.scan(bytes, start, input.end);
    if (next === INCOMPLETE) break;
    if (next < 0) return GARBAGE;
    input.start = next;
    messages++;
    noteKept();
    listener.onMessage(bytes, start, next);
  }
  return messages;
}
