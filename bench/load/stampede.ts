/**
 * Clients that are all cut off and come back at the same moment, each with one GET.
 *
 * A process of its own: `bun bench/load/stampede.ts '{"port": …}'` connects one client after the other, prints "ready",
 * and at each line on stdin closes all connections and opens as many anew at once; it prints what came of them as one
 * line of JSON, and leaves when its stdin ends.
 */
import { createInterface } from "node:readline";
import type { Socket } from "bun";
import { keyName } from "../key-space.ts";
import { LatencyHistogram } from "../latency-histogram.ts";
import { encode } from "../wire.ts";

export interface StampedeOrder {
  readonly port: number;
  readonly clients: number;
  readonly keys: number;
}

export interface StampedeReport {
  readonly answered: number;
  /** Refused, cut off, or not answered in time. */
  readonly failed: number;
  /** From the cut to the reply, ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lastMs: number;
}

export const READY = "ready";
const GIVE_UP_MS = 8_000;
/** Clients that connect at once before the stampede. */
const GENTLY = 64;

async function connect(port: number, onData: () => void, onClose: () => void): Promise<Socket> {
  return await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { data: onData, close: onClose, error: onClose },
  });
}

async function gather({ port, clients }: StampedeOrder): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < clients) {
    const count = Math.min(GENTLY, clients - sockets.length);
    const some = Array.from({ length: count }, () =>
      connect(
        port,
        () => {},
        () => {},
      ),
    );
    sockets.push(...(await Promise.all(some)));
  }
  return sockets;
}

/** @param sockets of the clients: those that come back take the places of those that were cut off */
async function stampede(order: StampedeOrder, sockets: Socket[]): Promise<StampedeReport> {
  const waits = new LatencyHistogram();
  const startedNs = Bun.nanoseconds();
  const deadline = Bun.sleep(GIVE_UP_MS).then(() => false);
  for (const socket of sockets.splice(0)) socket.terminate();
  const comeBack = async (index: number): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const answered = (): void => {
      waits.record(Bun.nanoseconds() - startedNs);
      resolve(true);
    };
    try {
      const socket = await connect(order.port, answered, () => resolve(false));
      sockets.push(socket);
      socket.write(encode("GET", keyName(index % order.keys)));
    } catch {
      return false; // refused
    }
    return await promise;
  };
  const all = Array.from({ length: order.clients }, (_, index) =>
    Promise.race([comeBack(index), deadline]),
  );
  const answered = (await Promise.all(all)).filter((isAnswered) => isAnswered).length;
  return {
    answered,
    failed: order.clients - answered,
    p50Ms: waits.percentileMicros(0.5) / 1e3,
    p99Ms: waits.percentileMicros(0.99) / 1e3,
    lastMs: waits.maxMicros / 1e3,
  };
}

async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? "") as StampedeOrder;
  const sockets = await gather(order);
  process.stdout.write(`${READY}\n`);
  for await (const _ of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await stampede(order, sockets))}\n`);
  }
}

if (import.meta.main) {
  main().then(
    () => process.exit(0),
    (error: Error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    },
  );
}
