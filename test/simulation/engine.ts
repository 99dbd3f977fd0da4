/**
 * An engine on a simulated network: one event loop of one worker. Which sockets are ready in a turn, in which order, and how much is
 * read at once, chance decides.
 */
import type { Address } from "../../src/api/config.ts";
import type { AcceptHandle, ConnectAttempt, ConnectEvents, Engine } from "../../src/api/engine.ts";
import type { Stream, StreamEvents } from "../../src/api/stream.ts";
import type { Kernel } from "./kernel.ts";
import type { Network } from "./network.ts";
import { SimulatedStream } from "./stream.ts";
import type { World } from "./world.ts";

/** How an engine behaves where the contract leaves that open. */
export interface EngineHabits {
  /** Received bytes are in a buffer of their own; else in one that is used again. */
  readonly isStable: boolean;
  /** What is written waits in the process, and goes to the kernel at the end of a turn or later. */
  readonly holdsOutput: boolean;
  /** Most bytes that are read at once. */
  readonly readMost: number;
  /** Each look at the clock takes so long. */
  readonly lookMs: number;
  /** A turn comes so late at the most. */
  readonly turnMs: number;
}

/** Sockets that are dealt with in a turn at the most. */
const READY_MOST = 8;

export class SimulatedEngine implements Engine {
  readonly name = "uring";
  readonly world: World;
  readonly kernel: Kernel;
  readonly habits: EngineHabits;
  /** How often a timer has called. */
  timersFired = 0;
  isClosed = false;
  /** The process does nothing until then. */
  stoppedUntilMs = 0;
  /** Where chunks that are not stable are received. */
  shared: Buffer = Buffer.alloc(0);
  private readonly network: Network;
  readonly streams: Set<SimulatedStream> = new Set();
  private ready: (SimulatedStream | (() => void))[] = [];
  private ends: (() => void)[] = [];
  private laters: (() => void)[] = [];
  private isTurnDue = false;

  constructor(world: World, kernel: Kernel, network: Network, habits: EngineHabits) {
    this.world = world;
    this.kernel = kernel;
    this.network = network;
    this.habits = habits;
  }

  get openStreams(): number {
    return this.streams.size;
  }

  readonly nowMs = (): number => {
    this.world.nowMs += this.habits.lookMs;
    return this.world.nowMs;
  };

  readonly epochMs = (): number => 1_700_000_000_000 + Math.floor(this.world.nowMs);

  readonly random = (): number => this.world.random.next();

  readonly timer = (delayMs: number, callback: () => void): (() => void) => {
    // Timers are late now and then, never early.
    const lateMs = this.world.random.next() * this.habits.turnMs;
    let isWanted = true;
    this.world.after(delayMs + lateMs, () => {
      if (!isWanted || this.isClosed) return;
      this.soon(() => {
        if (!isWanted || this.isClosed) return;
        this.timersFired++;
        callback();
      });
    });
    return () => {
      isWanted = false;
    };
  };

  readonly atTurnEnd = (callback: () => void): void => {
    this.ends.push(callback);
    this.wantTurn();
  };

  readonly later = (callback: () => void): void => {
    this.laters.push(callback);
    this.wantTurn();
  };

  /** In one of the next turns, among what is ready then. */
  soon(ready: SimulatedStream | (() => void)): void {
    if (typeof ready !== "function") {
      if (ready.isReady) return;
      ready.isReady = true;
    }
    this.ready.push(ready);
    this.wantTurn();
  }

  private wantTurn(): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    this.world.after(this.world.random.next() ** 2 * this.habits.turnMs, this.turn);
  }

  private readonly turn = (): void => {
    const { world } = this;
    if (this.stoppedUntilMs > world.nowMs) {
      world.after(this.stoppedUntilMs - world.nowMs, this.turn);
      return;
    }
    this.isTurnDue = false;
    if (this.isClosed) return;
    const laters = this.laters;
    this.laters = [];
    for (
      let left = world.random.between(1, READY_MOST);
      left > 0 && this.ready.length > 0;
      left--
    ) {
      const at = world.random.below(this.ready.length);
      const next = this.ready[at]!;
      this.ready[at] = this.ready[0]!;
      this.ready.shift();
      if (typeof next === "function") next();
      else {
        next.isReady = false;
        next.onReady();
      }
    }
    const ends = this.ends;
    this.ends = [];
    for (const end of ends) end();
    for (const later of laters) later();
    if (this.ready.length + this.ends.length + this.laters.length > 0) this.wantTurn();
  };

  listen(
    _fd: number,
    _tuning: unknown,
    onStream: (stream: Stream) => StreamEvents | null,
  ): AcceptHandle {
    let isStopped = false;
    const accept = (): void => {
      const socket = isStopped ? null : this.network.accept();
      if (socket !== null) this.adopt(this.kernel.open(socket), null, onStream);
    };
    const handle = this.network.listen({ onClient: () => this.soon(accept) });
    return {
      stop: () => {
        isStopped = true;
        handle.stop();
      },
    };
  }

  connect(
    address: Address,
    _tuning: unknown,
    events: ConnectEvents,
    streamEvents: StreamEvents,
    isHalfOpen = false,
  ): ConnectAttempt {
    let isWanted = true;
    const cancel = this.network.connect(address, {
      onConnected: (socket) =>
        this.soon(() => {
          const fd = this.kernel.open(socket);
          if (!isWanted || this.isClosed) {
            this.kernel.close(fd);
            return;
          }
          const stream = new SimulatedStream(this, fd, isHalfOpen);
          this.streams.add(stream);
          stream.giveTo(streamEvents);
          events.onOpen(stream);
        }),
      onRefused: (cause) =>
        this.soon(() => {
          if (isWanted) events.onError(cause);
        }),
    });
    return {
      abandon: () => {
        isWanted = false;
        cancel();
      },
    };
  }

  adopt(fd: number, _tuning: unknown, onStream: (stream: Stream) => StreamEvents | null): void {
    const stream = new SimulatedStream(this, fd, true);
    this.streams.add(stream);
    const events = onStream(stream);
    if (events === null) stream.close();
    else stream.giveTo(events);
  }

  /** For streams: it is closed, or another process has it. */
  forget(stream: SimulatedStream): void {
    this.streams.delete(stream);
  }

  /** As a process that ends: all descriptors are closed. */
  close(): void {
    this.isClosed = true;
    for (const stream of [...this.streams]) stream.vanish();
  }
}
