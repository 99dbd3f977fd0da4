/** A client's connection that another process accepted. */
import type { Stream, StreamEvents } from "../api/stream.ts";
import { BunStream, NOBODY, STREAM_HANDLER } from "./bun-stream.ts";
import { type SocketTuning, tuneSocket } from "./socket-tuning.ts";

/**
 * Makes descriptor `fd`, a connected socket, a stream, and owns it from now on.
 * @param onStream who hears of the stream's events, or null: it is closed at once
 * @param onError it is no connected socket (any more); it was closed
 */
export function adoptStream(
  fd: number,
  tuning: SocketTuning,
  onStream: (stream: Stream) => StreamEvents | null,
  onError: () => void,
): void {
  const connected = Bun.connect<BunStream>({
    fd,
    allowHalfOpen: true,
    data: new BunStream(),
    socket: {
      ...STREAM_HANDLER,
      open(socket: Bun.Socket<BunStream>) {
        const stream = socket.data;
        // Attached before asking, so that the asked one can write and pause.
        stream.attach(socket, NOBODY);
        const events = onStream(stream);
        if (events === null) {
          stream.close();
          return;
        }
        tuneSocket(stream, tuning);
        stream.giveTo(events);
      },
      connectError: () => onError(),
    },
  } as unknown as Bun.TCPSocketConnectOptions<BunStream>);
  connected.catch(() => {
    // Told by connectError.
  });
}
