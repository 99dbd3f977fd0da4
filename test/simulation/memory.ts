/**
 * What a worker holds, against what it accounts for: looked at now and then while it works, and when all clients have gone. What is held is found
 * by walking over all that can be reached from its data plane.
 */
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { reachable } from "../support/reachable-bytes.ts";
import type { Checker } from "./checker.ts";
import type { SimulatedWorker } from "./worker.ts";

/** What a client, a connection to a server and a worker take for their own bookkeeping, and what pools keep for the next use. */
const PER_CLIENT_BYTES = 64 * 1024;
const PER_QUEUE_BYTES = 16 * 1024;
/** Also what hand-overs are written and read in. */
const CONSTANT_BYTES = 1024 * 1024;
const FACTOR = 1.5;

export class MemoryOracle {
  private readonly checker: Checker;
  private readonly worker: SimulatedWorker;
  /** What the worker has held before it had a client. */
  private readonly base: number;

  constructor(checker: Checker, worker: SimulatedWorker) {
    this.checker = checker;
    this.worker = worker;
    this.base = this.look().bytes;
  }

  private look(): { readonly bytes: number; readonly queues: readonly ByteQueue[] } {
    const { plane, engine, proxy } = this.worker;
    const beyond = new Set<object>([engine, proxy, proxy.memory.buffer, ...engine.streams]);
    const queues: ByteQueue[] = [];
    const bytes = reachable([plane], beyond, (object) => {
      if (object instanceof ByteQueue) queues.push(object);
    });
    return { bytes, queues };
  }

  check(): void {
    const { plane, isGone } = this.worker;
    if (isGone) return;
    const sessions = [...plane.pools.values()].flatMap((pool) => [...pool.sessions]);
    const told = sessions.reduce((sum, { unread }) => sum + unread.heldBytes, 0);
    if (plane.memory.bytes !== told) {
      this.checker.fail(`clients hold ${told} bytes, and the worker counts ${plane.memory.bytes}`);
    }
    const { bytes, queues } = this.look();
    const outs = new Set(sessions.map(({ out }) => out));
    const toServers = queues.filter((queue) => !outs.has(queue));
    const accounted =
      plane.memory.bytes +
      plane.partialReplies.bytes +
      toServers.reduce((sum, { held }) => sum + held, 0);
    const constant =
      CONSTANT_BYTES + sessions.length * PER_CLIENT_BYTES + queues.length * PER_QUEUE_BYTES;
    const most = FACTOR * accounted + constant;
    if (bytes - this.base > most) {
      this.checker.fail(
        `the worker holds ${bytes - this.base} bytes, and accounts for ${accounted}, with ${sessions.length} clients`,
      );
    }
  }

  /** All clients have gone. */
  checkEnd(): void {
    const { plane, isGone } = this.worker;
    if (isGone) return;
    const { bytes: held } = plane.memory;
    if (held !== 0) this.checker.fail(`${held} bytes are counted for clients that have gone`);
    const parts = plane.partialReplies.bytes;
    if (parts !== 0) this.checker.fail(`${parts} bytes are counted for parts of replies`);
    this.check();
  }
}
