/** A relay in front of a server that passes the server's replies on in pieces of random sizes, one write each. */
import type { Endpoint } from "./server-process.ts";

export interface ChoppingRelay {
  readonly host: string;
  readonly port: number;
  stop(): void;
}

/** Both sockets of one connection, and what still has to go through. */
interface Pair {
  server: Bun.Socket<Pair> | null;
  client: Bun.Socket<Pair>;
  /** Bytes for the server, before it is connected or when it did not take them. */
  toServer: Buffer;
  /** Bytes for the client, to be sent in pieces. */
  toClient: Buffer;
  isPumping: boolean;
}

/** @param random from [0, 1): the same numbers, the same sizes. */
export function startChoppingRelay(server: Endpoint, random: () => number): ChoppingRelay {
  const host = "127.0.0.1";
  const serverHandlers: Bun.SocketHandler<Pair> = {
    open(socket) {
      socket.data.server = socket;
      flushToServer(socket.data);
    },
    data(socket, chunk) {
      const pair = socket.data;
      pair.toClient = Buffer.concat([pair.toClient, chunk]);
      pump(pair, random);
    },
    drain: (socket) => flushToServer(socket.data),
    close: (socket) => void socket.data.client.end(),
  };
  const listener = Bun.listen<Pair>({
    hostname: host,
    port: 0,
    socket: {
      open(client) {
        const empty = Buffer.alloc(0);
        const pair = { server: null, client, toServer: empty, toClient: empty, isPumping: false };
        client.data = pair;
        const connected =
          "socketPath" in server
            ? Bun.connect({ unix: server.socketPath, socket: serverHandlers, data: pair })
            : Bun.connect({
                hostname: server.host,
                port: server.port,
                socket: serverHandlers,
                data: pair,
              });
        connected.catch(() => client.end());
      },
      data({ data: pair }, chunk) {
        pair.toServer = Buffer.concat([pair.toServer, chunk]);
        flushToServer(pair);
      },
      drain: ({ data: pair }) => pump(pair, random),
      close: ({ data: pair }) => void pair.server?.end(),
    },
  });
  return { host, port: listener.port, stop: () => listener.stop(true) };
}

function flushToServer(pair: Pair): void {
  if (pair.server === null || pair.toServer.length === 0) return;
  pair.toServer = pair.toServer.subarray(Math.max(0, pair.server.write(pair.toServer)));
}

/** Sends one piece now, and the next after the event loop had its turn. */
function pump(pair: Pair, random: () => number): void {
  if (pair.isPumping || pair.toClient.length === 0) return;
  // Mostly small, now and then all that is there.
  const sizes = [1, 2, 3, 7, 40, 1000, 60_000, pair.toClient.length];
  const size = sizes[Math.floor(random() * sizes.length)] ?? 1;
  const taken = pair.client.write(pair.toClient.subarray(0, size));
  if (taken <= 0) return;
  pair.toClient = pair.toClient.subarray(taken);
  pair.isPumping = true;
  setImmediate(() => {
    pair.isPumping = false;
    pump(pair, random);
  });
}
