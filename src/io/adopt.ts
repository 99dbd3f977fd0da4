/** A client's connection that another process accepted. */
import type { Stream, StreamEvents } from "../api/stream.ts";
import { BunStream, NOBODY, STREAM_HANDLER } from "./bun-stream.ts";
import { KEEPALIVE_IDLE_MS } from "./listen.ts";

/**
 * Makes descriptor `fd`, a connected socket, a stream, and owns it from now on.
 * @param onStream who hears of the stream's events
 * @param onError it is no connected socket (any more); it was closed
 */
export function adoptStream(
  fd: number,
  isKeptAlive: boolean,
  onStream: (stream: Stream) => StreamEvents,
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
        stream.attach(socket, onStream(stream));
        if (isKeptAlive) stream.keepAlive(KEEPALIVE_IDLE_MS);
      },
      connectError: () => onError(),
    },
  } as unknown as Bun.TCPSocketConnectOptions<BunStream>);
  connected.catch(() => {
    // Told by connectError.
  });
}
