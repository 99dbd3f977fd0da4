/** Connections to servers. */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Address } from "../../api/config.ts";
import type { ConnectAttempt, ConnectEvents, SocketTuning } from "../../api/engine.ts";
import type { StreamEvents } from "../../api/stream.ts";
import { BunStream, STREAM_HANDLER } from "./bun-stream.ts";
import { tuneSocket } from "./socket-tuning.ts";

/** See Engine. */
export function connectTo(
  address: Address,
  tuning: SocketTuning,
  events: ConnectEvents,
  streamEvents: StreamEvents,
  isHalfOpen = false,
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
        allowHalfOpen: isHalfOpen,
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
