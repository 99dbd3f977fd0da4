/** Workers of a host find servers together: one asks, all know, and it survives any of them. */
import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PoolConfig } from "../../../src/api/config.ts";
import type { Discovery } from "../../../src/api/discovery.ts";
import type { PoolHost } from "../../../src/api/protocol-module.ts";
import type { ServerStreamEvents } from "../../../src/api/server-stream.ts";
import { busOfPool } from "../../../src/api/worker-bus.ts";
import { schedule } from "../../../src/base/schedule.ts";
import { discover } from "../../../src/topology/discovery/discover.ts";
import { FakePeers } from "../../support/fake-peers.ts";
import { ManualDeadlines, ManualTurn } from "../../support/manual-deadlines.ts";
import { makeDirectory } from "../../support/server-process.ts";

const LOG = { info() {}, warn() {}, error() {}, debug() {} };

class Host {
  readonly peers = new FakePeers();
  readonly directory = makeDirectory("discovery");
  readonly file = join(this.directory, "servers");
  readonly turn = new ManualTurn({ atTurnEnd() {} } as never);
  /** Addresses that can be connected. */
  readonly alive: Set<string> = new Set();
  /** How often a worker has asked. */
  looks = 0;
  removed = 0;

  list(...names: string[]): void {
    writeFileSync(this.file, names.map((name) => `10.0.0.${name}:6379:1 ${name}\n`).join(""));
  }

  start(change: Partial<Discovery> = {}): Worker {
    const worker = this.peers.add();
    const deadlines = new ManualDeadlines(this.turn);
    const discovery: Discovery = {
      ...{ source: { kind: "file", path: this.file }, text: `file:${this.file}` },
      ...{ intervalMs: 5000, resolvers: null, removes: "dead", keep: null },
      ...change,
    };
    const host = {
      config: { name: "p", servers: [], discovery } as unknown as PoolConfig,
      ...{ turn: this.turn, deadlines, schedule, log: LOG, logLimit: { admit: () => 0 } },
      bus: busOfPool(worker.bus, "p"),
      random: () => 0.5,
      metrics: () => ({
        add: (name: string, by: number) => {
          if (name === "looks") this.looks += by;
          if (name === "removed") this.removed += by;
        },
      }),
      openAside: (address: { readonly host: string }, events: ServerStreamEvents) => {
        queueMicrotask(() => {
          if (this.alive.has(address.host)) events.onOpen();
          else events.onRefused({ kind: "refused", wasSent: false, text: "refused" });
        });
        return { close() {} };
      },
    } as unknown as PoolHost;
    const found = discover(host)!;
    found.topology.watch(() => {});
    worker.bus.open();
    return { found, deadlines, worker };
  }

  /** Time passes in all of these workers, step by step; what they began ends. */
  async pass(workers: readonly Worker[], ms: number): Promise<void> {
    const until = this.turn.atMs + ms;
    while (this.turn.atMs < until) {
      this.turn.atMs += 250;
      for (const { deadlines } of workers) deadlines.run();
      await settle(workers);
    }
  }
}

interface Worker {
  readonly found: NonNullable<ReturnType<typeof discover>>;
  readonly deadlines: ManualDeadlines;
  readonly worker: { isAlive: boolean };
}

/** Until no worker is asking: then each has set when it looks again. */
async function settle(workers: readonly Worker[]): Promise<void> {
  while (workers.some(({ deadlines }) => deadlines.size === 0)) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function namesOf({ found }: Worker): string {
  return found.topology.members.map(({ server }) => server.name).join();
}

async function until(host: Host, workers: readonly Worker[], isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !isSo(); i++) await host.pass(workers, 250);
  expect(isSo()).toBeTrue();
}

test("one worker asks, all know, and another goes on when it is gone", async () => {
  const host = new Host();
  host.list("1", "2");
  const workers = [host.start(), host.start(), host.start()];
  await until(host, workers, () => workers.every((worker) => namesOf(worker) === "1,2"));
  const looks = host.looks;
  await host.pass(workers, 10_000);
  // Each second one of them.
  expect(host.looks - looks).toBeGreaterThan(5);
  expect(host.looks - looks).toBeLessThan(14);
  for (const gone of workers.splice(0, 2)) {
    gone.found.topology.close();
    gone.worker.isAlive = false;
  }
  host.list("1", "2", "3");
  await until(host, workers, () => namesOf(workers[0]!) === "1,2,3");
  // One that starts later knows it before it has asked.
  const later = host.start();
  expect(namesOf(later)).toBe("1,2,3");
});

test("a source that has lost sight of servers empties nothing, and what is dead leaves one by one", async () => {
  const host = new Host();
  host.list("1", "2", "3", "4");
  for (const name of ["1", "2", "3"]) host.alive.add(`10.0.0.${name}`);
  const workers = [host.start(), host.start()];
  await until(host, workers, () => namesOf(workers[1]!) === "1,2,3,4");
  host.list();
  await host.pass(workers, 20_000);
  expect(namesOf(workers[0]!)).toBe("1,2,3,4");
  host.list("1");
  await until(host, workers, () => namesOf(workers[1]!) === "1,2,3");
  await host.pass(workers, 20_000);
  expect(namesOf(workers[0]!)).toBe("1,2,3");
  host.alive.clear();
  await until(host, workers, () => namesOf(workers[0]!) === "1");
  expect(host.removed).toBe(3);
});

test("what was found is kept on disk, and a proxy that starts without its source has it at once", async () => {
  const host = new Host();
  const keep = join(host.directory, "kept");
  host.list("1", "2");
  const first = host.start({ keep });
  await until(host, [first], () => namesOf(first) === "1,2");
  while (!existsSync(keep)) await new Promise<void>((resolve) => setImmediate(resolve));
  const other = new Host();
  const second = other.start({ keep, source: { kind: "file", path: "/nowhere" }, text: "other" });
  expect(namesOf(second)).toBe("1,2");
  let isKnown = false;
  second.found.whenKnown(() => {
    isKnown = true;
  });
  expect(isKnown).toBeTrue();
});

test("what was told of another source says nothing", async () => {
  const host = new Host();
  host.list("1");
  const old = host.start();
  await until(host, [old], () => namesOf(old) === "1");
  const changed = host.start({ source: { kind: "file", path: "/nowhere" }, text: "file:/nowhere" });
  expect(namesOf(changed)).toBe("(not found so far)");
});
