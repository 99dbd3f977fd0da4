/** A server whose queue of connections is full, and which takes none from it: who connects to it waits. */
import { closeFd } from "../../src/os/fd.ts";
import { boundPort, listenTcp } from "../../src/os/listen-socket.ts";

export interface FullServer {
  readonly port: number;
  stop(): void;
}

/** The kernel keeps one more than it was told, and may take one more while it thinks about it. */
const FILLING = 8;

export async function startFullServer(): Promise<FullServer> {
  const fd = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 0, reusePort: false });
  const port = boundPort(fd);
  const sockets: Bun.Socket<undefined>[] = [];
  const socket: Bun.SocketHandler<undefined> = {
    open: (one) => void sockets.push(one),
    data() {},
    error() {},
  };
  const attempts = Array.from({ length: FILLING }, () =>
    Bun.connect({ hostname: "127.0.0.1", port, socket }).catch(() => null),
  );
  // One stands: the others wait for a place.
  await Promise.race(attempts);
  return {
    port,
    stop() {
      for (const one of sockets) one.terminate();
      closeFd(fd);
    },
  };
}
