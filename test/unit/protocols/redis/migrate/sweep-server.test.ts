/** How fast the sweeper goes over a server, and how it leaves one alone that is slow. */
import { expect, test } from "bun:test";
import { MOVE_LOCK_PREFIX } from "../../../../../src/api/migration.ts";
import type { MovingKeys, PoolHost, SweepWork } from "../../../../../src/api/protocol-module.ts";
import type { Link, ReplySink, Upstream } from "../../../../../src/api/upstream.ts";
import type { Wakeable } from "../../../../../src/base/turn.ts";
import { loadConfig } from "../../../../../src/config/load.ts";
import type { KeyMover } from "../../../../../src/protocols/redis/migrate/key-mover.ts";
import { sweepServer } from "../../../../../src/protocols/redis/migrate/sweep-server.ts";
import { PROTOCOLS } from "../../../../../src/protocols/registry.ts";

const BATCH = 10;
const BATCHES = 3;

/** A server with three batches of keys that all leave it, and the time that is waited between them. */
class Rig {
  nowMs = 1_000;
  readonly waitsMs: number[] = [];
  /** Names of keys that were to move. */
  readonly moved = new Set<string>();
  /** It takes so long to answer a SCAN. */
  scanMs = 0;
  readonly config = loadConfig(
    'pools:\n  pool: { listen: "h:1", servers: ["h:2:1"], migrate: true }\n',
    "f.yaml",
    PROTOCOLS,
  ).config!.pools[0]!;
  private cursor = 0;

  set(option: string, text: string): void {
    const keys = ["pools", "pool", option];
    const file = 'pools:\n  pool: { listen: "h:1", servers: ["h:2:1"], migrate: true }\n';
    const { config } = loadConfig(file, "f.yaml", PROTOCOLS, undefined, [{ keys, text }]);
    Object.assign(this.config, config!.pools[0]);
  }

  async run(): Promise<void> {
    const server = this.server;
    const moving = { sourceOf: () => server, targetOf: () => server } as unknown as MovingKeys;
    const work: SweepWork = { isMove: true, moving, isStopped: () => false, onProgress() {} };
    const mover = {
      ...{ kindFor: () => 1, move: (name: string) => this.note(name), failureOf: () => null },
      wakeAfter: (_name: string, waiter: Wakeable) => waiter.wakeUp(),
    } as unknown as KeyMover;
    const result = await sweepServer(mover, this.host, server, work);
    expect(result).toMatchObject({ keys: BATCH * BATCHES, found: BATCH * BATCHES, failed: 0 });
  }

  private note(name: string): null {
    this.moved.add(name);
    return null;
  }

  private get host(): PoolHost {
    const rig = this;
    return {
      config: this.config,
      turn: {
        get nowMs() {
          return rig.nowMs;
        },
      },
      schedule: (ms: number, callback: () => void) => {
        this.waitsMs.push(ms);
        this.nowMs += ms;
        queueMicrotask(callback);
        return () => {};
      },
      route: { pick: () => this.server },
    } as unknown as PoolHost;
  }

  private get server(): Upstream {
    const link = {
      ...{ isFull: false, refusal: null },
      send: (bytes: Buffer, start: number, end: number, sink: ReplySink, token: number) => {
        const answer = Buffer.from(this.answerTo(bytes.toString("latin1", start, end)));
        queueMicrotask(() =>
          sink.onReplies(token, 1, answer, 0, answer.length, "ordinary" as never),
        );
      },
    } as unknown as Link;
    return { address: "h:2", connection: () => link } as unknown as Upstream;
  }

  private answerTo(request: string): string {
    if (request.includes("INFO")) {
      const text = `# Keyspace\r\ndb0:keys=${BATCH * BATCHES},expires=0\r\n`;
      return `$${text.length}\r\n${text}\r\n`;
    }
    this.nowMs += this.scanMs;
    this.cursor = (this.cursor + 1) % BATCHES;
    const lock = `${MOVE_LOCK_PREFIX}gone`;
    const names = Array.from({ length: BATCH }, (_, i) => (i === 0 ? lock : `k${i}`));
    const keys = names.map((name) => `$${name.length}\r\n${name}\r\n`).join("");
    return `*2\r\n$1\r\n${this.cursor}\r\n*${BATCH}\r\n${keys}`;
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

test("so many keys a second are moved as migrate_rate says then", async () => {
  const rig = new Rig();
  rig.set("migrate_rate", "100");
  await rig.run();
  expect(sum(rig.waitsMs)).toBe((BATCH * BATCHES * 1_000) / 100);
  rig.waitsMs.length = 0;
  rig.set("migrate_rate", "1000");
  await rig.run();
  expect(sum(rig.waitsMs)).toBe((BATCH * BATCHES * 1_000) / 1_000);
});

test("a server that takes longer than migrate_latency is left alone, longer than it took", async () => {
  const rig = new Rig();
  rig.set("migrate_rate", "1000000");
  rig.scanMs = 30;
  rig.set("migrate_latency", "50ms");
  await rig.run();
  expect(rig.waitsMs).toEqual([]);
  rig.set("migrate_latency", "20ms");
  await rig.run();
  expect(sum(rig.waitsMs)).toBeGreaterThanOrEqual(BATCHES * 5 * rig.scanMs);
});

test("a lock stands for its key, which a step that is late may still put there", async () => {
  const rig = new Rig();
  rig.set("migrate_rate", "1000000");
  await rig.run();
  expect([...rig.moved].sort()).toEqual([
    "0/gone",
    ...Array.from({ length: BATCH - 1 }, (_, i) => `0/k${i + 1}`),
  ]);
});
