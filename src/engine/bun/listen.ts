/** Accepting clients on a listening socket that another process made. */
import type { AcceptHandle, SocketTuning } from "../../api/engine.ts";
import type { Stream, StreamEvents } from "../../api/stream.ts";
import { BunStream, IGNORE, STREAM_HANDLER } from "./bun-stream.ts";
import { tuneSocket } from "./socket-tuning.ts";

/** See Engine. */
export function acceptOn(
  fd: number,
  tuning: SocketTuning,
  onStream: (stream: Stream) => StreamEvents | null,
): AcceptHandle {
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
        stream.attach(socket, IGNORE);
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
