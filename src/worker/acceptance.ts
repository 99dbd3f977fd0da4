/**
 * How new clients come to this worker, as `accept` of the configuration says: over listening sockets of its own, over those that
 * all workers share and take turns to listen on, or from the acceptor process.
 */

import type { TurnGrant } from "../api/accept-grants.ts";
import type { Config } from "../api/config.ts";
import { type ListenerGrant, STATS_FD } from "../api/control.ts";
import type { AcceptHandle, Engine } from "../api/engine.ts";
import type { WorkerSet } from "../api/worker-set.ts";
import { assert } from "../base/assert.ts";
import type { Logger } from "../base/log.ts";
import { every } from "../base/schedule.ts";
import { closeFd, duplicateFd } from "../os/fd.ts";
import { sendByte } from "../os/socket-pair.ts";
import { acceptQueueLength } from "../os/tcp-options.ts";
import { AcceptMutex } from "./accept-mutex.ts";
import type { ClientGauges } from "./client-gauges.ts";
import { receiveDispatched } from "./dispatched.ts";
import type { PoolPlane } from "./pool-plane.ts";
import { openWakeUpSocket } from "./wake-up-socket.ts";
import type { ListenOptions } from "./worker.ts";

export interface AcceptanceOptions {
  readonly accept: Config["accept"];
  /** The workers that clients come to in the same way. */
  readonly set: WorkerSet;
  /** This worker's. */
  readonly slot: number;
  readonly engine: Engine;
  readonly log: Logger;
  readonly pools: ReadonlyMap<string, PoolPlane>;
  readonly gauges: ClientGauges;
  /** Most clients that this worker can have. */
  readonly clientsMax: number;
  readonly clientsHere: () => number;
}

/** How often a worker looks whether the lock of `accept: mutex` is free. */
const MUTEX_STEP_MS = 10;

export class Acceptance {
  private readonly options: AcceptanceOptions;
  private readonly acceptors: AcceptHandle[] = [];
  private mutex: AcceptMutex | null = null;

  constructor(options: AcceptanceOptions) {
    this.options = options;
  }

  /** @throws Error with a clear message when a descriptor is unusable */
  start(grants: readonly ListenerGrant[], { dispatch, turns }: ListenOptions): void {
    const { accept, engine, log, set } = this.options;
    if (dispatch !== undefined) {
      const take = (pool: string, fd: number) => this.acceptDispatched(pool, fd);
      this.acceptors.push(
        receiveDispatched(dispatch, { engine, log, take, onFailure: endWithoutWakeUps }),
      );
    }
    // Those of one pool all listen on its socket: there is one lock, and it is the shared workers'.
    if (accept === "mutex" && set.size > 1 && set.pool === null) this.takeTurns(grants, turns);
    else for (const { pool, fd } of grants) this.acceptors.push(this.listen(pool, fd, () => {}));
  }

  /** No new client comes any more. May be called again. */
  stop(): void {
    for (const acceptor of this.acceptors) acceptor.stop();
  }

  /** @param turns undefined: the workers cannot wake each other */
  private takeTurns(grants: readonly ListenerGrant[], turns: TurnGrant | undefined): void {
    const { engine, gauges, set, clientsMax, clientsHere } = this.options;
    this.mutex = new AcceptMutex({
      lockFile: `/proc/self/fd/${STATS_FD}`,
      workers: set.size,
      clientsMax,
      clientsHere,
      clientsEverywhere: () => gauges.everywhere(set.pools),
      wakeNext: () => this.wakeLeastLoaded(turns?.bells ?? []),
      clientsWaiting: () => grants.reduce((sum, { fd }) => sum + acceptQueueLength(fd), 0),
      listen: (onAccepted) =>
        grants.map((grant) => this.listen(grant.pool, duplicateFd(grant.fd), onAccepted)),
    });
    this.acceptors.push(this.mutex);
    const stopTicking = every(engine.timer, MUTEX_STEP_MS, () => this.mutex?.tick());
    this.acceptors.push({ stop: stopTicking });
    if (turns === undefined) return;
    this.acceptors.push(
      openWakeUpSocket(engine, turns.own, () => this.mutex?.tick(), endWithoutWakeUps),
    );
  }

  /** Tells the worker that has the fewest clients, of all but this one, that it may listen. */
  private wakeLeastLoaded(wakeUps: TurnGrant["bells"]): void {
    const { gauges } = this.options;
    let fewest = Number.POSITIVE_INFINITY;
    let next = -1;
    for (const { slot, fd } of wakeUps) {
      const clients = gauges.in(slot);
      if (slot === this.options.slot || clients >= fewest) continue;
      fewest = clients;
      next = fd;
    }
    // When there is no memory for the byte, the other one still looks by itself now and then.
    if (next >= 0) sendByte(next);
  }

  private listen(pool: string, fd: number, onAccepted: () => void): AcceptHandle {
    const plane = this.options.pools.get(pool);
    assert(plane !== undefined, `a listener was granted for pool ${pool}, which is not configured`);
    return this.options.engine.listen(fd, plane.tuning, (stream) => {
      const events = plane.accept(stream);
      onAccepted();
      return events;
    });
  }

  /** A connection that the acceptor process gave us. */
  private acceptDispatched(pool: string, fd: number): void {
    const { engine, log, pools } = this.options;
    const plane = pools.get(pool);
    if (plane === undefined) {
      closeFd(fd);
      log.warn("a client is lost: the acceptor gave it for an unknown pool", { pool });
    } else
      engine.adopt(
        fd,
        plane.tuning,
        (stream) => plane.accept(stream),
        (reason) => {
          log.warn("a client that the acceptor gave is lost", { pool, reason });
        },
      );
  }
}

/** A worker that cannot be woken gets no clients: it ends, and another takes its place. */
function endWithoutWakeUps(reason: string): never {
  throw new Error(`this worker cannot be woken when it has clients to take: ${reason}`);
}
