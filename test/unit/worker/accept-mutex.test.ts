/** Several workers' mutexes in one process: each opens the lock file for itself, as real ones do. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLock } from "../../../src/os/fd.ts";
import { AcceptMutex } from "../../../src/worker/accept-mutex.ts";

const CLIENTS_MAX = 800;

let folder = "";
let lockFile = "";
let allWorkers: Worker[] = [];
let waiting = 0;
/** How often a worker told that the lock is free. */
let freed = 0;

/** A worker whose clients the test brings. */
class Worker {
  clients = 0;
  /** Null: it does not listen. */
  onAccepted: (() => void) | null = null;
  readonly mutex: AcceptMutex;

  constructor(workers: number) {
    allWorkers.push(this);
    this.mutex = new AcceptMutex({
      lockFile,
      workers,
      clientsMax: CLIENTS_MAX,
      clientsHere: () => this.clients,
      clientsEverywhere: () => allWorkers.reduce((sum, { clients }) => sum + clients, 0),
      wakeNext: () => {
        freed += 1;
      },
      clientsWaiting: () => waiting,
      listen: (onAccepted) => {
        this.onAccepted = onAccepted;
        return [
          {
            stop: () => {
              this.onAccepted = null;
            },
          },
        ];
      },
    });
  }

  accept(): void {
    this.clients += 1;
    this.onAccepted?.();
  }
}

function listening(): Worker[] {
  return allWorkers.filter(({ onAccepted }) => onAccepted !== null);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mutex-"));
  lockFile = join(folder, "lock");
  writeFileSync(lockFile, "");
});

afterEach(() => {
  for (const { mutex } of allWorkers) mutex.stop();
  allWorkers = [];
  waiting = 0;
  freed = 0;
  rmSync(folder, { recursive: true });
});

function start(workers: number): void {
  for (let i = 0; i < workers; i++) new Worker(workers);
}

test("one listens, the first one that asks", () => {
  start(3);
  expect(listening()).toEqual([allWorkers[0]!]);
  for (const { mutex } of allWorkers) mutex.tick();
  expect(listening()).toEqual([allWorkers[0]!]);
});

test.each([2, 3, 4, 8])("%i workers get even shares, one listening at a time", (workers) => {
  start(workers);
  for (let client = 0; client < 1000; client++) {
    for (let step = 0; listening().length === 0; step++) {
      expect(step).toBeLessThan(20);
      for (const { mutex } of allWorkers) mutex.tick();
    }
    expect(listening()).toHaveLength(1);
    listening()[0]!.accept();
  }
  const share = 1000 / workers;
  for (const { clients } of allWorkers) {
    expect(clients).toBeLessThanOrEqual(share * 1.0625 + 2);
    expect(clients).toBeGreaterThanOrEqual(share * 0.7);
  }
});

test("of a crowd that waits the holder takes its part at once, then it is the next one's turn", () => {
  start(4);
  waiting = 400;
  const [first, second] = allWorkers;
  while (first!.mutex.isHolding) {
    waiting -= 1;
    first!.accept();
  }
  expect(first!.clients).toBeGreaterThan(95);
  expect(first!.clients).toBeLessThan(110);
  second!.mutex.tick();
  while (second!.mutex.isHolding) {
    waiting -= 1;
    second!.accept();
  }
  expect(second!.clients).toBeGreaterThan(70);
  expect(second!.clients).toBeLessThan(150);
});

test("a worker over 7/8 of its capacity leaves the lock to others", () => {
  start(2);
  allWorkers[1]!.clients = CLIENTS_MAX;
  for (let i = 0; i < 699; i++) allWorkers[0]!.accept();
  expect(allWorkers[0]!.mutex.isHolding).toBe(true);
  allWorkers[0]!.accept();
  expect(allWorkers[0]!.mutex.isHolding).toBe(false);
  expect(listening()).toEqual([]);
  expect(freed).toBe(1);
});

test("stopping gives the lock up, and a dead worker's is free", () => {
  start(2);
  allWorkers[0]!.mutex.stop();
  allWorkers[0]!.mutex.stop();
  expect(listening()).toEqual([]);
  allWorkers[1]!.mutex.tick();
  expect(listening()).toEqual([allWorkers[1]!]);
  allWorkers[0]!.mutex.tick();
  expect(allWorkers[0]!.mutex.isHolding).toBe(false);
});

test("a worker that is ahead serves when the others do not, for a step now and then", () => {
  start(2);
  const [first] = allWorkers;
  while (first!.mutex.isHolding) first!.accept();
  // The other one hangs: it never ticks.
  let steps = 0;
  while (!first!.mutex.isHolding && steps < 100) {
    first!.mutex.tick();
    steps += 1;
  }
  expect(steps).toBeGreaterThan(10);
  expect(steps).toBeLessThan(20);
  for (let i = 0; i < 50; i++) first!.accept();
  expect(listening()).toEqual([first!]);
  first!.mutex.tick();
  expect(listening()).toEqual([]);
  allWorkers[1]!.mutex.tick();
  expect(listening()).toEqual([allWorkers[1]!]);
});

test("a worker that is ahead leaves alone a lock that somebody has", () => {
  const other = openSync(lockFile, "r");
  expect(tryLock(other)).toBe(true);
  start(2);
  allWorkers[0]!.clients = 10;
  for (let step = 0; step < 100; step++) allWorkers[0]!.mutex.tick();
  expect(listening()).toEqual([]);
  closeSync(other);
});
