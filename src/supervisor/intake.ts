/**
 * What every worker gets its clients from, by the accept mode.
 *
 *   reuseport, shared, mutex:  listening sockets ─────────────▶ worker
 *   dispatch:                  listening sockets ─▶ acceptor ─▶ a pair of sockets for each slot ─▶ worker
 *
 * The pairs live as long as the supervisor: a connection that was given to a worker which then died is served by the next one
 * in its slot, like one that waits in a listening socket's queue.
 */
import type { Config } from "../api/config.ts";
import {
  ACCEPTOR_FD_FIRST,
  type DispatchGrant,
  LISTEN_FD_FIRST,
  type ListenerGrant,
  type ToAcceptor,
} from "../api/control.ts";
import { closeFd } from "../os/fd.ts";
import { createParcelPair } from "../os/fd-passing.ts";
import { createSocketPair, type SocketPair } from "../os/socket-pair.ts";
import type { Listeners } from "./listeners.ts";

interface Lines {
  readonly connections: SocketPair;
  readonly bell: SocketPair;
}

export interface WorkerIntake {
  /** Become LISTEN_FD_FIRST, + 1, … of the worker. */
  readonly fds: readonly number[];
  readonly start: {
    readonly listeners: readonly ListenerGrant[];
    readonly dispatch?: DispatchGrant;
  };
}

type AcceptorStart = Pick<Extract<ToAcceptor, { readonly type: "start" }>, "listeners" | "workers">;

export interface AcceptorIntake {
  /** Become ACCEPTOR_FD_FIRST, + 1, … of the acceptor process. */
  readonly fds: readonly number[];
  readonly start: AcceptorStart;
}

export class Intake {
  readonly #listeners: Listeners;
  /** By slot; empty unless connections are dispatched. */
  readonly #lines: readonly Lines[];

  /** @throws OsError when there are too few descriptors */
  constructor(config: Config, workers: number, listeners: Listeners) {
    this.#listeners = listeners;
    const slots = config.accept === "dispatch" ? workers : 0;
    this.#lines = Array.from({ length: slots }, () => ({
      connections: createParcelPair(),
      bell: createSocketPair(),
    }));
  }

  /** Whether an acceptor process is needed. */
  get isDispatched(): boolean {
    return this.#lines.length > 0;
  }

  /** What the worker in `slot` is given. The descriptors stay ours. */
  forWorker(slot: number): WorkerIntake {
    const lines = this.#lines[slot];
    if (lines === undefined) {
      const { fds, grants } = this.#listeners.forWorker(slot);
      return { fds, start: { listeners: grants } };
    }
    const dispatch = { connections: LISTEN_FD_FIRST, bell: LISTEN_FD_FIRST + 1 };
    const fds = [lines.connections.theirs, lines.bell.theirs];
    return { fds, start: { listeners: [], dispatch } };
  }

  /** What the acceptor process is given. */
  forAcceptor(): AcceptorIntake {
    const { fds, grants } = this.#listeners.forWorker(0);
    const listeners = grants.map(({ pool }, index) => ({ pool, fd: ACCEPTOR_FD_FIRST + index }));
    const first = ACCEPTOR_FD_FIRST + fds.length;
    const workers = this.#lines.map((_, slot) => ({
      slot,
      connections: first + 2 * slot,
      bell: first + 2 * slot + 1,
    }));
    const lines = this.#lines.flatMap(({ connections, bell }) => [connections.ours, bell.ours]);
    return { fds: [...fds, ...lines], start: { listeners, workers } };
  }

  /** Clients that no worker has taken are gone. */
  close(): void {
    for (const { connections, bell } of this.#lines) {
      for (const { ours, theirs } of [connections, bell]) {
        closeFd(ours);
        closeFd(theirs);
      }
    }
  }
}
