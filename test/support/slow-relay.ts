/** A relay to a server whose replies come later. */
import type { Socket } from "bun";
import type { Endpoint } from "./server-process.ts";

export interface SlowRelay {
  readonly host: string;
  readonly port: number;
  stop(): void;
}

interface Side {
  other: Socket<Side> | null;
  /** What came before the other side was there. */
  early: Buffer[];
  delayMs: number;
}

/** All that the server sends is held back for so long, in its order. */
export function startSlowRelay(
  server: Extract<Endpoint, { readonly host: string }>,
  delayMs: number,
): SlowRelay {
  const host = "127.0.0.1";
  const socket = {
    data(from: Socket<Side>, chunk: Buffer): void {
      const { other, early } = from.data;
      const bytes = Buffer.from(chunk);
      if (other === null) early.push(bytes);
      else if (from.data.delayMs === 0) other.write(bytes);
      else setTimeout(() => other.write(bytes), from.data.delayMs);
    },
    close: (from: Socket<Side>): void => void from.data.other?.end(),
    error(): void {},
  };
  const listener = Bun.listen<Side>({
    ...{ hostname: host, port: 0 },
    socket: {
      ...socket,
      async open(client) {
        client.data = { other: null, early: [], delayMs: 0 };
        const data: Side = { other: client, early: [], delayMs };
        const to = { hostname: server.host, port: server.port };
        const behind = await Bun.connect<Side>({ ...to, data, socket });
        for (const bytes of client.data.early) behind.write(bytes);
        client.data = { other: behind, early: [], delayMs: 0 };
      },
    },
  });
  return { host, port: listener.port, stop: () => listener.stop(true) };
}
