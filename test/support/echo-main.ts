/**
 * The program with real processes and a toy data plane, so that tests of the processes do not depend on the real one.
 *
 * A client that sends a line gets `<slot> <pid> <line>` back. Draining waits until clients leave by themselves.
 * A pool named "broken" cannot be served, one named "crash" ends the worker without a word.
 */
import type { FdSocketOptions, Socket, SocketListener, UnixSocketOptions } from "bun";
import type { ListenerGrant } from "../../src/api/control.ts";
import { runRole } from "../../src/cli/roles.ts";
import {
  type AdoptionCounts,
  type DataPlane,
  type DataPlaneOptions,
  type HandOverEvents,
  type HandOverOrder,
  startWorker,
} from "../../src/worker/worker.ts";

class EchoDataPlane implements DataPlane {
  readonly #slot: number;
  readonly #clients = new Set<Socket>();
  readonly #listeners: SocketListener[] = [];
  #onEmpty: (() => void) | null = null;

  constructor(options: DataPlaneOptions) {
    this.#slot = options.slot;
    if (options.config.pools.some((pool) => pool.name === "broken")) {
      throw new Error("pool broken cannot be served");
    }
    if (options.config.pools.some((pool) => pool.name === "crash")) process.exit(3);
  }

  get clients(): number {
    return this.#clients.size;
  }

  serversKnown(): Promise<void> {
    return Promise.resolve();
  }

  listen(grants: readonly ListenerGrant[]): void {
    for (const { fd } of grants) {
      const options: FdSocketOptions = {
        fd,
        socket: {
          open: (client) => void this.#clients.add(client),
          data: (client, chunk) => void client.write(`${this.#slot} ${process.pid} ${chunk}`),
          close: (client) => {
            this.#clients.delete(client);
            if (this.#clients.size === 0) this.#onEmpty?.();
          },
        },
      };
      this.#listeners.push(
        Bun.listen(options as unknown as UnixSocketOptions) as unknown as SocketListener,
      );
    }
  }

  readonly migrations = {
    seeAhead() {},
    follow: (_order: unknown, done: () => void): void => done(),
    poolOf: (): null => null,
    restingPool: (): null => null,
  };

  drain(timeoutMs: number, done: (closed: number) => void): void {
    for (const listener of this.#listeners) listener.stop();
    this.#onEmpty = () => done(0);
    if (this.#clients.size === 0) this.#onEmpty();
    else setTimeout(() => done(this.#clients.size), timeoutMs);
  }

  /** Its clients cannot move. */
  handOver(_order: HandOverOrder, events: HandOverEvents): void {
    events.onDone(0, this.#clients.size);
  }

  adopt(packets: number, done: (counts: AdoptionCounts) => void): void {
    done({ adopted: 0, failed: packets, others: 0 });
  }

  onSettings(): void {}

  leversProblem(): null {
    return null;
  }

  setLevers(): void {}

  close(): void {
    for (const client of this.#clients) client.terminate();
  }
}

runRole(process.argv.toSpliced(0, 2), {
  __worker: () => startWorker(async (options) => new EchoDataPlane(options)),
  __acceptor: async () => (await import("../../src/acceptor/acceptor-main.ts")).runAcceptor(),
  __admin: async () => (await import("../../src/admin/admin-main.ts")).runAdmin(),
});
