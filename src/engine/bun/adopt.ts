/** A client's connection that another process accepted. */
import type { SocketTuning } from "../../api/engine.ts";
import type { Stream, StreamEvents } from "../../api/stream.ts";
import { ADOPT_WAIT_MS_MAX } from "../../base/limits.ts";
import { schedule } from "../../base/schedule.ts";
import { closeFd } from "../../os/fd.ts";
import { isStreamSocket } from "../../os/socket-facts.ts";
import { BunStream, IGNORE, STREAM_HANDLER } from "./bun-stream.ts";
import { tuneSocket } from "./socket-tuning.ts";

/** An event loop that cannot watch one more socket, for want of memory, is asked again after this. */
const RETRY_MS = 5;

/** See Engine. */
export function adoptStream(
  fd: number,
  tuning: SocketTuning,
  onStream: (stream: Stream) => StreamEvents | null,
  onError: (reason: string) => void,
): void {
  adopt(fd, tuning, onStream, onError, performance.now() + ADOPT_WAIT_MS_MAX);
}

function adopt(
  fd: number,
  tuning: SocketTuning,
  onStream: (stream: Stream) => StreamEvents | null,
  onError: (reason: string) => void,
  giveUpAtMs: number,
): void {
  // Bun gives one code for all reasons, and leaves the descriptor open.
  const onFailure = (): void => {
    const isThere = isStreamSocket(fd);
    if (isThere && performance.now() < giveUpAtMs) {
      schedule(RETRY_MS, () => adopt(fd, tuning, onStream, onError, giveUpAtMs));
      return;
    }
    closeFd(fd);
    onError(isThere ? "the event loop cannot watch it: out of memory" : "it is no stream socket");
  };
  const connected = Bun.connect<BunStream>({
    fd,
    allowHalfOpen: true,
    data: new BunStream(),
    socket: {
      ...STREAM_HANDLER,
      open(socket: Bun.Socket<BunStream>) {
        const stream = socket.data;
        // Attached before asking, so that the asked one can write and pause.
        stream.attach(socket, IGNORE);
        const events = onStream(stream);
        if (events === null) {
          stream.close();
          return;
        }
        tuneSocket(stream, tuning);
        stream.giveTo(events);
      },
      connectError: onFailure,
    },
  } as unknown as Bun.TCPSocketConnectOptions<BunStream>);
  connected.catch(() => {
    // Told by connectError.
  });
}
