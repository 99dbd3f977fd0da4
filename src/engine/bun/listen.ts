/** Accepting clients on a listening socket that another process made. */
import type { Stream, StreamEvents } from "../../api/stream.ts";
import { BunStream, NOBODY, STREAM_HANDLER } from "./bun-stream.ts";
import { type SocketTuning, tuneSocket } from "./socket-tuning.ts";

export interface Acceptor {
  /** Accepts no client any more. Accepted streams live on, and the socket itself stays its maker's. */
  stop(): void;
}

/**
 * Accepts from listening socket `fd`.
 * @param onStream who hears of a new stream's events, or null: it is closed at once
 * @throws when the fd is no listening socket
 */
export function acceptOn(
  fd: number,
  tuning: SocketTuning,
  onStream: (stream: Stream) => StreamEvents | null,
): Acceptor {
  const listener = Bun.listen<BunStream>({
    fd,
    allowHalfOpen: true,
    data: undefined as unknown as BunStream,
    socket: {
      ...STREAM_HANDLER,
      open(socket: Bun.Socket<BunStream>) {
        const stream = new BunStream();
        socket.data = stream;
        // Attached before asking, so that the asked one can look at the peer and write.
        stream.attach(socket, NOBODY);
        const events = onStream(stream);
        if (events === null) {
          stream.close();
          return;
        }
        tuneSocket(stream, tuning);
        stream.giveTo(events);
      },
    },
  } as unknown as Bun.TCPSocketListenOptions<BunStream>);
  return { stop: () => listener.stop() };
}
