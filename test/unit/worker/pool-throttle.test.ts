/** What the clients of one pool may use, in two workers that tell each other of it; no sockets, and a clock of the test's own. */
import { expect, test } from "bun:test";
import type { PoolConfig, PoolLimits } from "../../../src/api/config.ts";
import type { WorkerBus } from "../../../src/api/worker-bus.ts";
import type { Turn } from "../../../src/base/turn.ts";
import type { Session } from "../../../src/client/session.ts";
import { PoolThrottle } from "../../../src/worker/pool-throttle.ts";

const LIMITS: PoolLimits = {
  ...{ clientRequests: 0, addressRequests: 0, userRequests: 0, poolRequests: 3000 },
  ...{ clientBytes: null, addressBytes: null, userBytes: null, poolBytes: null },
  ...{ addressConnections: 0, addressConnects: 0, poolConnects: 0 },
  ...{ action: "delay", mode: "bucket", burstMs: 100 },
};
const STEP_MS = 10;

type Listener = (data: unknown) => void;

/** A worker's part of the pool. */
interface Part {
  readonly throttle: PoolThrottle;
  readonly listeners: Listener[];
}

class Pool {
  nowMs = 1000;
  readonly parts: Part[] = [];
  private timers: { dueMs: number; callback: () => void }[] = [];

  add(): Part {
    const listeners: Listener[] = [];
    const bus = {
      subscribe: (_topic: string, listener: Listener) => listeners.push(listener),
      broadcast: (_topic: string, data: unknown) => {
        for (const part of this.parts) {
          if (part.listeners !== listeners) for (const hear of part.listeners) hear(data);
        }
      },
    } as unknown as WorkerBus;
    const nowMs = (): number => this.nowMs;
    const pool = this;
    const turn = {
      get nowMs() {
        return pool.nowMs;
      },
      wake() {},
    } as unknown as Turn;
    const schedule = (delayMs: number, callback: () => void): (() => void) => {
      const timer = { dueMs: this.nowMs + delayMs, callback };
      this.timers.push(timer);
      return () => {
        this.timers = this.timers.filter((each) => each !== timer);
      };
    };
    const throttle = new PoolThrottle({
      ...{ pool: { limits: LIMITS } as PoolConfig, turn, nowMs, schedule, bus, workers: 2 },
      ...{ sessions: [], onThrottled() {} },
    });
    const part = { throttle, listeners };
    this.parts.push(part);
    return part;
  }

  pass(ms: number, each: () => void = () => {}): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += STEP_MS) {
      const due = this.timers.filter(({ dueMs }) => dueMs <= this.nowMs);
      this.timers = this.timers.filter((timer) => !due.includes(timer));
      for (const { callback } of due) callback();
      each();
    }
  }

  get timersLeft(): number {
    return this.timers.length;
  }
}

function clientOf({ throttle }: Part, origin: string): Session {
  const session = { origin, isOpen: true, throttle: null, stopToken: -1 } as unknown as Session;
  throttle.join(session, 0);
  return session;
}

/** It takes what it may. */
function takeAll(session: Session, nowMs: number): void {
  const { throttle } = session;
  if (throttle?.begin(nowMs, 0))
    throttle.end(session.stopToken === -1 ? 100 : session.stopToken, 0, false);
}

test.each(Array.from({ length: 20 }, (_, n) => n * 50))(
  "what one worker's clients used is free for the others' soon after they have left, after %p ms",
  (moreMs) => {
    const pool = new Pool();
    const [first, second] = [pool.add(), pool.add()];
    const stays = clientOf(first!, "a");
    const leaves = clientOf(second!, "b");
    pool.pass(2000 + moreMs, () => {
      takeAll(stays, pool.nowMs);
      takeAll(leaves, pool.nowMs);
    });
    second!.throttle.leave(leaves);
    pool.pass(1000, () => takeAll(stays, pool.nowMs));
    expect(first!.throttle.scope.requests.perSecond).toBeGreaterThan(2800);
    first!.throttle.leave(stays);
    pool.pass(5000);
    expect(pool.timersLeft).toBe(0);
  },
);
