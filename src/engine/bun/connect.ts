/** Connections to servers. */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Address } from "../../api/config.ts";
import type { Stream, StreamEvents } from "../../api/stream.ts";
import { BunStream, STREAM_HANDLER } from "./bun-stream.ts";
import { type SocketTuning, tuneSocket } from "./socket-tuning.ts";

export interface ConnectEvents {
  /** The connection stands; `stream` may be written at once. */
  onOpen(stream: Stream): void;
  /** No connection: `cause` is a code such as "ECONNREFUSED". After this nothing follows. */
  onError(cause: string): void;
}

export interface ConnectAttempt {
  /** Nothing will be heard of this attempt any more; what it may still open is closed. */
  abandon(): void;
}

/**
 * Connects to `address`. Names are resolved anew at each attempt, so that a server that moved is found.
 * Exactly one of onOpen and onError follows, never from inside this call; `streamEvents` hears of what comes after onOpen.
 */
export function connectTo(
  address: Address,
  tuning: SocketTuning,
  events: ConnectEvents,
  streamEvents: StreamEvents,
): ConnectAttempt {
  let isAbandoned = false;
  let isSettled = false;
  const fail = (error: unknown): void => {
    if (isSettled || isAbandoned) return;
    isSettled = true;
    events.onError((error as { readonly code?: string })?.code ?? "unknown error");
  };
  const handler = {
    ...STREAM_HANDLER,
    open(socket: Bun.Socket<BunStream>) {
      if (isAbandoned) {
        socket.terminate();
        return;
      }
      isSettled = true;
      const stream = socket.data;
      stream.attach(socket, streamEvents);
      tuneSocket(stream, tuning);
      events.onOpen(stream);
    },
    connectError(_socket: Bun.Socket<BunStream>, error: Error) {
      fail(error);
    },
  };
  targetOf(address)
    .then((target) => {
      if (isAbandoned) return undefined;
      return Bun.connect<BunStream>({
        ...target,
        data: new BunStream(),
        socket: handler,
      } as Bun.TCPSocketConnectOptions<BunStream>);
    })
    .catch(fail);
  return {
    abandon() {
      isAbandoned = true;
    },
  };
}

type Target = { readonly unix: string } | { readonly hostname: string; readonly port: number };

async function targetOf(address: Address): Promise<Target> {
  if (address.kind === "unix") return { unix: address.path };
  const { host, port } = address;
  if (isIP(host) !== 0) return { hostname: host, port };
  const found = await lookup(host);
  return { hostname: found.address, port };
}
