/** Passes bytes on between clients and a server, and each reply late, as a server does that is busy or far away. */
import type { Socket } from "bun";

interface Side {
  /** The other one; null: it is gone, or not there yet. */
  other: Socket<Side> | null;
  /** What is to be passed on and was not taken yet. */
  waiting: Buffer[];
  readonly isServer: boolean;
}

/** @param delayMs how late each reply is. @returns what ends it */
export function startSlowRelay(port: number, serverPort: number, delayMs: number): () => void {
  const handlers = {
    data(socket: Socket<Side>, chunk: Buffer) {
      const copy = Buffer.from(chunk);
      if (socket.data.isServer) setTimeout(() => pass(socket.data.other, copy), delayMs);
      else pass(socket.data.other, copy, socket.data);
    },
    drain: (socket: Socket<Side>) => pass(socket, Buffer.alloc(0)),
    close: (socket: Socket<Side>) => void socket.data.other?.end(),
    error: (socket: Socket<Side>) => void socket.data.other?.end(),
  };
  const listener = Bun.listen<Side>({
    ...{ hostname: "127.0.0.1", port },
    socket: {
      ...handlers,
      async open(socket) {
        socket.data = { other: null, waiting: [], isServer: false };
        const server = await Bun.connect<Side>({
          ...{ hostname: "127.0.0.1", port: serverPort },
          data: { other: socket, waiting: [], isServer: true },
          socket: handlers,
        });
        const early = socket.data.waiting.splice(0);
        socket.data.other = server;
        for (const chunk of early) pass(server, chunk);
      },
    },
  });
  return () => listener.stop(true);
}

/** @param early where it waits until the other side is there */
function pass(to: Socket<Side> | null, chunk: Buffer, early?: Side): void {
  if (to === null) {
    early?.waiting.push(chunk);
    return;
  }
  const { waiting } = to.data;
  if (chunk.length > 0) waiting.push(chunk);
  for (let [next] = waiting; next !== undefined; [next] = waiting) {
    const taken = to.write(next);
    if (taken < 0) return;
    if (taken < next.length) {
      waiting[0] = next.subarray(taken);
      return;
    }
    waiting.shift();
  }
}
