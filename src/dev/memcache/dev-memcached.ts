/** An in-memory memcached on a socket, for trying things out: real replies in all its protocols, nothing kept. */
import { ClientConnection } from "./client-connection.ts";
import { createShard } from "./shard.ts";

/** Bytes that one embedded memcached holds before old items make room for new ones: memcached's own default. */
export const MEMCACHED_BYTES_MAX: number = 64 * 1024 * 1024;

export interface DevMemcachedOptions {
  readonly unixPath: string;
  readonly bytesMax?: number;
}

export interface DevMemcached {
  /** The unix socket's path. */
  readonly address: string;
  /** Closes the listener and every connection, and forgets the data. */
  stop(): void;
}

export function startDevMemcached(options: DevMemcachedOptions): DevMemcached {
  const shard = createShard(options.bytesMax ?? MEMCACHED_BYTES_MAX, Date.now);
  const listener = Bun.listen<ClientConnection | null>({
    unix: options.unixPath,
    data: null,
    socket: {
      open(opened) {
        shard.connections += 1;
        shard.totalConnections += 1;
        opened.data = new ClientConnection(opened, shard);
      },
      data: (from, chunk) => from.data?.onBytes(chunk),
      drain: (from) => from.data?.onDrain(),
      close(closed) {
        if (closed.data !== null) shard.connections -= 1;
        closed.data = null;
      },
    },
  });
  return { address: options.unixPath, stop: () => listener.stop(true) };
}
