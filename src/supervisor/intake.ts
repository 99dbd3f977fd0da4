/**
 * What every worker gets its clients from, by the accept mode.
 *
 *   reuseport, shared, mutex:  listening sockets ─────────────▶ worker      (mutex: and a bell for each slot)
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
  type TurnGrant,
} from "../api/control.ts";
import { closeFd, setNonBlocking } from "../os/fd.ts";
import { createParcelPair } from "../os/fd-passing.ts";
import { createSocketPair, type SocketPair } from "../os/socket-pair.ts";
import type { Listeners } from "./listeners.ts";

export interface WorkerIntake {
  /** Become LISTEN_FD_FIRST, + 1, … of the worker. */
  readonly fds: readonly number[];
  readonly start: {
    readonly listeners: readonly ListenerGrant[];
    readonly dispatch?: DispatchGrant;
    readonly turns?: TurnGrant;
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
  /** By slot: connections for its worker. Empty unless connections are dispatched. */
  readonly #connections: readonly SocketPair[];
  /** By slot: what its worker is woken by. Empty where the kernel alone does that. */
  readonly #bells: readonly SocketPair[];

  /** @throws OsError when there are too few descriptors */
  constructor({ accept }: Config, workers: number, listeners: Listeners) {
    this.#listeners = listeners;
    const isDispatched = accept === "dispatch";
    const isByTurns = accept === "mutex" && workers > 1;
    this.#connections = pairs(isDispatched ? workers : 0, createParcelPair);
    this.#bells = pairs(isDispatched || isByTurns ? workers : 0, createSocketPair);
    // A worker that does not read must not stop whoever rings.
    for (const { ours } of this.#bells) setNonBlocking(ours);
  }

  /** Whether an acceptor process is needed. */
  get isDispatched(): boolean {
    return this.#connections.length > 0;
  }

  /** What the worker in `slot` is given. The descriptors stay ours. */
  forWorker(slot: number): WorkerIntake {
    const connections = this.#connections[slot];
    const bell = this.#bells[slot];
    if (connections !== undefined && bell !== undefined) {
      const dispatch = { connections: LISTEN_FD_FIRST, bell: LISTEN_FD_FIRST + 1 };
      return { fds: [connections.theirs, bell.theirs], start: { listeners: [], dispatch } };
    }
    const { fds, grants } = this.#listeners.forWorker(slot);
    if (bell === undefined) return { fds, start: { listeners: grants } };
    const own = LISTEN_FD_FIRST + fds.length;
    const bells = this.#bells.map((_, index) => ({ slot: index, fd: own + 1 + index }));
    return {
      fds: [...fds, bell.theirs, ...this.#bells.map(({ ours }) => ours)],
      start: { listeners: grants, turns: { own, bells } },
    };
  }

  /** What the acceptor process is given. */
  forAcceptor(): AcceptorIntake {
    const { fds, grants } = this.#listeners.forWorker(0);
    const listeners = grants.map(({ pool }, index) => ({ pool, fd: ACCEPTOR_FD_FIRST + index }));
    const first = ACCEPTOR_FD_FIRST + fds.length;
    const workers = this.#connections.map((_, slot) => ({
      slot,
      connections: first + 2 * slot,
      bell: first + 2 * slot + 1,
    }));
    const lines = this.#connections.flatMap(({ ours }, slot) => [ours, this.#bells[slot]!.ours]);
    return { fds: [...fds, ...lines], start: { listeners, workers } };
  }

  /** Clients that no worker has taken are gone. */
  close(): void {
    for (const { ours, theirs } of [...this.#connections, ...this.#bells]) {
      closeFd(ours);
      closeFd(theirs);
    }
  }
}

function pairs(count: number, create: () => SocketPair): SocketPair[] {
  return Array.from({ length: count }, create);
}
