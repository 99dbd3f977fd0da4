/**
 * What every worker gets its clients from, by the accept mode.
 *
 *   reuseport, shared, mutex:  listening sockets ─────────────▶ worker      (mutex: and a wake-up socket for each)
 *   dispatch:                  listening sockets ─▶ acceptor ─▶ a pair of sockets for each slot ─▶ worker
 *
 * The pairs live as long as the supervisor: a connection that was given to a worker which then died is served by the next one
 * in its slot, like one that waits in a listening socket's queue.
 */
import type { DispatchGrant, TurnGrant } from "../../api/accept-grants.ts";
import type { AcceptMode } from "../../api/config.ts";
import {
  ACCEPTOR_FD_FIRST,
  LISTEN_FD_FIRST,
  type ListenerGrant,
  type ToAcceptor,
} from "../../api/control.ts";
import { closeFd, setNonBlocking } from "../../os/fd.ts";
import { createPacketPair } from "../../os/fd-passing.ts";
import { createSocketPair, type SocketPair } from "../../os/socket-pair.ts";
import type { WorkerListeners } from "./listeners.ts";

export interface WorkerGrant {
  /** Become LISTEN_FD_FIRST, + 1, … of the worker. */
  readonly fds: readonly number[];
  readonly start: {
    readonly listeners: readonly ListenerGrant[];
    readonly dispatch?: DispatchGrant;
    readonly turns?: TurnGrant;
  };
}

type AcceptorStart = Pick<Extract<ToAcceptor, { readonly type: "start" }>, "listeners" | "workers">;

export interface AcceptorGrant {
  /** Become ACCEPTOR_FD_FIRST, + 1, … of the acceptor process. */
  readonly fds: readonly number[];
  readonly start: AcceptorStart;
}

export interface AcceptSourcePlan {
  readonly accept: AcceptMode;
  /** Workers that share one accept source; each has an index from 0 on. */
  readonly workers: number;
  /** The worker's slot in the statistics; null: it has none yet. */
  slotOf(index: number): number | null;
  /** The listening sockets of the worker; the descriptors stay their owner's. */
  listeners(index: number): WorkerListeners;
}

/** The sockets of an accept source, by worker, as plain data. */
export interface AcceptSourceSnapshot {
  /** Connections for the worker. Empty unless connections are dispatched. */
  readonly connections: readonly SocketPair[];
  /** Wake-up sockets: a byte wakes the worker. Empty where the kernel alone does that. They were called bells, and are on the wire. */
  readonly bells: readonly SocketPair[];
}

export class AcceptSource {
  readonly #plan: AcceptSourcePlan;
  readonly #sockets: AcceptSourceSnapshot;

  /** @param saved goes on with these sockets. @throws OsError when there are too few descriptors */
  constructor(plan: AcceptSourcePlan, saved: AcceptSourceSnapshot | null = null) {
    this.#plan = plan;
    this.#sockets = saved ?? openSockets(plan);
  }

  /** For a program that goes on with them. */
  snapshot(): AcceptSourceSnapshot {
    return this.#sockets;
  }

  /** Whether an acceptor process is needed. */
  get isDispatched(): boolean {
    return this.#sockets.connections.length > 0;
  }

  /** What worker `index` is given. The descriptors stay ours. */
  forWorker(index: number): WorkerGrant {
    const connections = this.#sockets.connections[index];
    const wakeUp = this.#sockets.bells[index];
    if (connections !== undefined && wakeUp !== undefined) {
      const dispatch = { connections: LISTEN_FD_FIRST, bell: LISTEN_FD_FIRST + 1 };
      return { fds: [connections.theirs, wakeUp.theirs], start: { listeners: [], dispatch } };
    }
    const { fds, grants } = this.#plan.listeners(index);
    if (wakeUp === undefined) return { fds, start: { listeners: grants } };
    const own = LISTEN_FD_FIRST + fds.length;
    const bells = this.#slots().map(({ slot, at }) => ({ slot, fd: own + 1 + at }));
    return {
      fds: [...fds, wakeUp.theirs, ...this.#sockets.bells.map(({ ours }) => ours)],
      start: { listeners: grants, turns: { own, bells } },
    };
  }

  /** What the acceptor process is given. */
  forAcceptor(): AcceptorGrant {
    const { fds, grants } = this.#plan.listeners(0);
    const listeners = grants.map(({ pool }, index) => ({ pool, fd: ACCEPTOR_FD_FIRST + index }));
    const first = ACCEPTOR_FD_FIRST + fds.length;
    const workers = this.#slots().map(({ slot, at }) => ({
      slot,
      connections: first + 2 * at,
      bell: first + 2 * at + 1,
    }));
    const lines = this.#sockets.connections.flatMap(({ ours }, at) => [
      ours,
      this.#sockets.bells[at]!.ours,
    ]);
    return { fds: [...fds, ...lines], start: { listeners, workers } };
  }

  /** Workers that have a slot in the statistics, and their index. */
  #slots(): { readonly slot: number; readonly at: number }[] {
    return this.#sockets.bells.flatMap((_, at) => {
      const slot = this.#plan.slotOf(at);
      return slot === null ? [] : [{ slot, at }];
    });
  }

  /** Clients that no worker has taken are gone. */
  close(): void {
    for (const { ours, theirs } of [...this.#sockets.connections, ...this.#sockets.bells]) {
      closeFd(ours);
      closeFd(theirs);
    }
  }
}

function openSockets({ accept, workers }: AcceptSourcePlan): AcceptSourceSnapshot {
  const isDispatched = accept === "dispatch";
  const isByTurns = accept === "mutex" && workers > 1;
  const connections = pairs(isDispatched ? workers : 0, createPacketPair);
  const bells = pairs(isDispatched || isByTurns ? workers : 0, createSocketPair);
  // A worker that does not read must not stop the process that wakes it.
  for (const { ours } of bells) setNonBlocking(ours);
  return { connections, bells };
}

function pairs(count: number, create: () => SocketPair): SocketPair[] {
  return Array.from({ length: count }, create);
}
