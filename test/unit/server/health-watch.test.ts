import { expect, test } from "bun:test";
import type { ProbeFault } from "../../../src/api/protocol.ts";
import { PROBE_GATHER_MS } from "../../../src/base/health-limits.ts";
import { HealthWatch, type Probed } from "../../../src/server/health-watch.ts";
import type { ProbeOutcome } from "../../../src/server/prober.ts";
import { FakePeers } from "../../support/fake-peers.ts";
import { ManualDeadlines, ManualTurn } from "../../support/manual-deadlines.ts";

const INTERVAL_MS = 1_000;
const FAULT: ProbeFault = { text: "no answer", isGrave: true };

/** Servers as they really are, and the workers that watch them. */
class Host {
  readonly turn = new ManualTurn();
  readonly peers = new FakePeers();
  readonly workers: Worker[] = [];
  /** By member. Absent: it does not answer yet. */
  readonly servers: Map<string, ProbeFault | null> = new Map();
  /** Probes that wait for an answer, by worker and member. */
  readonly open: Map<string, (outcome: ProbeOutcome) => void> = new Map();
  readonly probes: string[] = [];
  /** Servers that only the worker of this number knows, by member. */
  readonly onlyOf: Map<string, number> = new Map();
  /** Connections for probes that were given up. */
  readonly closed: Set<string> = new Set();

  add(id: number): Worker {
    const worker = new Worker(this, id);
    this.workers.push(worker);
    return worker;
  }

  /** So long passes, in small steps. */
  pass(ms: number): void {
    for (let step = 0; step < ms; step += 5) {
      this.turn.atMs += 5;
      for (const { deadlines } of this.workers) deadlines.reach(this.turn.atMs);
    }
  }
}

class Worker {
  readonly deadlines: ManualDeadlines;
  readonly watch: HealthWatch;
  readonly peer;
  /** What it has learnt, by member. */
  readonly heard: Map<string, (ProbeFault | null)[]> = new Map();
  readonly resumed: string[] = [];
  readonly down: Map<string, string> = new Map();

  constructor(host: Host, id: number) {
    this.deadlines = new ManualDeadlines(host.turn);
    this.peer = host.peers.add();
    const servers = (): Probed[] =>
      [...host.servers.keys()]
        .filter((member) => (host.onlyOf.get(member) ?? id) === id)
        .map((member) => ({
          member,
          health: {
            onProbe: (fault) => {
              this.heard.set(member, [...(this.heard.get(member) ?? []), fault]);
              if (fault === null) this.down.delete(member);
              else this.down.set(member, fault.text);
            },
            resumeDown: (reason) => this.resumed.push(`${member} ${reason}`),
            downReason: this.down.get(member) ?? null,
            isDown: this.down.has(member),
            countProbe() {},
          },
          createProber: () => ({
            probe: (done) => {
              host.probes.push(`${id} ${member}`);
              queueMicrotask(() => {
                const outcome = host.servers.get(member);
                if (outcome === undefined) host.open.set(`${id} ${member}`, done);
                else done(outcome);
              });
            },
            close: () => host.closed.add(`${id} ${member}`),
          }),
        }));
    this.watch = new HealthWatch(
      {
        ...{ bus: this.peer.bus, deadlines: this.deadlines, servers, id },
        random: () => 0.5,
      },
      INTERVAL_MS,
    );
    this.peer.bus.open();
  }

  countOf(member: string): number {
    return this.heard.get(member)?.length ?? 0;
  }
}

async function settle(host: Host, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5) {
    host.pass(5);
    await Promise.resolve();
    await Promise.resolve();
  }
}

test("one worker asks, and all know", async () => {
  const host = new Host();
  const [one, two, three] = [11, 12, 13].map((id) => host.add(id));
  host.servers.set("a", null);
  host.servers.set("b", FAULT);
  await settle(host, 10 * INTERVAL_MS);
  // Of those that began at the same time the one with the lowest number has gone on.
  const late = host.probes.slice(12);
  expect(new Set(late)).toEqual(new Set(["11 a", "11 b"]));
  expect(host.probes.length).toBeLessThanOrEqual(2 * 10 + 3 * 2);
  expect(host.closed).toEqual(new Set(["12 a", "12 b", "13 a", "13 b"]));
  for (const worker of [one!, two!, three!]) {
    expect(worker.countOf("a")).toBeGreaterThanOrEqual(9);
    expect(worker.heard.get("b")!.every((fault) => fault?.text === FAULT.text)).toBe(true);
    expect(worker.heard.get("a")!.every((fault) => fault === null)).toBe(true);
  }
  // Each probe is heard of once.
  const before = [one!, two!, three!].map((worker) => worker.countOf("b"));
  await settle(host, 5 * INTERVAL_MS);
  const more = [one!, two!, three!].map((worker, at) => worker.countOf("b") - before[at]!);
  expect(more).toEqual([5, 5, 5]);
});

test("when the worker that asks dies, another one does; when it leaves, at once", async () => {
  const host = new Host();
  host.servers.set("a", null);
  const [one, two] = [1, 2].map((id) => host.add(id));
  host.add(3);
  await settle(host, 3 * INTERVAL_MS);
  one!.peer.isAlive = false;
  host.workers.splice(0, 1);
  host.peers.workers.splice(0, 1);
  await settle(host, 3 * INTERVAL_MS);
  const asker = host.probes.at(-1)!;
  expect(asker).not.toBe("1 a");
  const leaving = asker === "2 a" ? two! : host.workers[1]!;
  const before = host.probes.length;
  leaving.watch.leave();
  const heard = leaving.countOf("a");
  await settle(host, 2 * PROBE_GATHER_MS + 50);
  expect(host.probes.length).toBeGreaterThan(before);
  expect(host.probes.at(-1)).not.toBe(asker);
  // It goes on to hear of it.
  expect(leaving.countOf("a")).toBeGreaterThan(heard);
});

test("what is slow to answer holds up nothing", async () => {
  const host = new Host();
  host.servers.set("quick", FAULT);
  host.servers.set("slow", null);
  const [, two] = [1, 2].map((id) => host.add(id));
  const real = host.servers.get.bind(host.servers);
  host.servers.get = (member) => (member === "slow" ? undefined : real(member));
  await settle(host, 3 * INTERVAL_MS);
  expect(two!.countOf("quick")).toBeGreaterThanOrEqual(2);
  expect(two!.countOf("slow")).toBe(0);
  // An open question is not asked again.
  expect(host.probes.filter((probe) => probe === "1 slow")).toHaveLength(1);
  host.open.get("1 slow")!(FAULT);
  await settle(host, 2 * PROBE_GATHER_MS);
  expect(two!.heard.get("slow")).toEqual([FAULT]);
});

test("this process's shortage is told to none", async () => {
  const host = new Host();
  host.servers.set("a", undefined as unknown as null);
  const [, two] = [1, 2].map((id) => host.add(id));
  await settle(host, INTERVAL_MS);
  host.open.get("1 a")!(undefined);
  await settle(host, INTERVAL_MS / 2);
  expect(two!.countOf("a")).toBe(0);
  // Nor when it is found out at once, before anything is told of the others.
  host.servers.set("b", null);
  host.open.set = (_key, done) => {
    done(undefined);
    return host.open;
  };
  host.open.get("1 a")!(undefined);
  await settle(host, 3 * INTERVAL_MS);
  expect(two!.countOf("a")).toBe(0);
  expect(two!.countOf("b")).toBeGreaterThanOrEqual(2);
});

test("a worker that starts later knows what is down, and what is up again it does not hear of", async () => {
  const host = new Host();
  host.servers.set("a", FAULT);
  host.servers.set("b", null);
  host.add(1);
  await settle(host, 2 * INTERVAL_MS);
  expect(host.add(2).resumed).toEqual(["a no answer"]);
  host.servers.set("a", null);
  await settle(host, 2 * INTERVAL_MS);
  expect(host.add(3).resumed).toEqual([]);
});

test("a server that a worker suspects is asked soon, whichever worker that is", async () => {
  const host = new Host();
  host.servers.set("a", null);
  const [one, two] = [1, 2].map((id) => host.add(id));
  await settle(host, 2 * INTERVAL_MS + 500);
  for (const worker of [one!, two!]) {
    const before = host.probes.length;
    worker.watch.want("a");
    // It was asked just now: that is enough.
    worker.watch.want("a");
    await settle(host, 20);
    expect(host.probes.length).toBe(before + 1);
    await settle(host, 150);
  }
});

test("what was retained long ago is not believed", () => {
  const resumedAfter = (ageMs: number): readonly string[] => {
    const host = new Host();
    host.servers.set("a", null);
    const data = { by: 1, down: [["a", "no answer"]] };
    host.peers.relay.resume([{ topic: "health", key: "down", data, ageMs }]);
    return host.add(2).resumed;
  };
  expect(resumedAfter(5 * INTERVAL_MS)).toEqual(["a no answer"]);
  expect(resumedAfter(20 * INTERVAL_MS)).toEqual([]);
});

test("of a server that the asking worker does not know nothing is told", async () => {
  const host = new Host();
  host.servers.set("a", null);
  const [one, two] = [11, 12].map((id) => host.add(id));
  await settle(host, 3 * INTERVAL_MS);
  host.onlyOf.set("new", 12);
  host.servers.set("new", FAULT);
  await settle(host, 3 * INTERVAL_MS);
  expect([one!.countOf("new"), two!.countOf("new")]).toEqual([0, 0]);
  // When it knows it, it asks.
  host.onlyOf.clear();
  await settle(host, 3 * INTERVAL_MS);
  for (const worker of [one!, two!]) {
    expect(worker.heard.get("new")!.every((fault) => fault?.text === FAULT.text)).toBe(true);
  }
});
