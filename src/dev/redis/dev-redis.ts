/** An in-memory Redis on a socket, for trying things out: real replies, nothing kept. */
import { ClientConnection } from "./client-connection.ts";
import { createShard } from "./shard.ts";

/** Estimated bytes that one embedded Redis holds before it answers -OOM. */
export const MEMORY_BYTES_MAX: number = 256 * 1024 * 1024;

export interface DevRedisOptions {
  /** Unix socket path, or null for a free TCP port on 127.0.0.1. */
  readonly unixPath: string | null;
  readonly memoryBytesMax?: number;
}

export interface DevRedis {
  /** The unix socket's path, or `127.0.0.1:port`. */
  readonly address: string;
  /** Closes the listener and every connection, and forgets the data. */
  stop(): void;
}

export function startDevRedis(options: DevRedisOptions): DevRedis {
  const shard = createShard(options.memoryBytesMax ?? MEMORY_BYTES_MAX, Date.now);
  let lastId = 0;
  // In the order in which they came: the client that waits longest is served first, roughly.
  const connections = new Set<ClientConnection>();
  let isRetrying = false;
  shard.onWrite = () => {
    if (isRetrying) return;
    isRetrying = true;
    setImmediate(() => {
      isRetrying = false;
      for (const connection of connections) connection.retry();
    });
  };
  const socket: Bun.SocketHandler<ClientConnection | null> = {
    open(opened) {
      lastId += 1;
      const connection = new ClientConnection(opened, shard, lastId);
      shard.clients.add(connection.state);
      connections.add(connection);
      opened.data = connection;
    },
    data: (from, chunk) => from.data?.onBytes(chunk),
    drain: (from) => from.data?.onDrain(),
    close(closed) {
      if (closed.data === null) return;
      closed.data.close();
      shard.clients.delete(closed.data.state);
      connections.delete(closed.data);
      closed.data = null;
    },
  };
  if (options.unixPath !== null) {
    const listener = Bun.listen<ClientConnection | null>({
      unix: options.unixPath,
      socket,
      data: null,
    });
    return { address: options.unixPath, stop: () => listener.stop(true) };
  }
  const listener = Bun.listen<ClientConnection | null>({
    hostname: "127.0.0.1",
    port: 0,
    socket,
    data: null,
  });
  return { address: `127.0.0.1:${listener.port}`, stop: () => listener.stop(true) };
}
