/** A connection that stands becomes a stream. */
import type { SocketTuning } from "../../api/engine.ts";
import type { Stream, StreamEvents } from "../../api/stream.ts";
import type { UringLoop } from "./loop.ts";
import { UringStream } from "./uring-stream.ts";

/** Hears of a stream until it is known who does. */
const IGNORE: StreamEvents = {
  onBytes() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

/** @param fd is owned from now on @param onStream see Engine.listen */
export function openStream(
  loop: UringLoop,
  fd: number,
  tuning: SocketTuning,
  onStream: (stream: Stream) => StreamEvents | null,
): void {
  // Made before asking, so that the asked one can look at the peer and write.
  const stream = new UringStream(loop, fd, IGNORE, true);
  stream.isQuicklyAcked = tuning.isQuicklyAcked;
  const events = onStream(stream);
  if (events === null) stream.close();
  else stream.giveTo(events);
}
