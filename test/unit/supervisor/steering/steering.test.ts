/**
 * What holds besides the configuration file: of every kind of lever that there is, and every option that is live. All workers have it or none,
 * it is undone when one does not follow, and it ends by itself, also in the program that replaces this one.
 */
import { describe, expect, test } from "bun:test";
import type { ToWorker } from "../../../../src/api/control.ts";
import { LEVER_KINDS, leversOf, type SteeringOrder } from "../../../../src/api/steering.ts";
import type { Logger } from "../../../../src/base/log.ts";
import { loadConfig } from "../../../../src/config/load.ts";
import { type NamedOption, namedOptions } from "../../../../src/config/option-path.ts";
import { PROTOCOLS } from "../../../../src/protocols/registry.ts";
import { StartError } from "../../../../src/supervisor/start-error.ts";
import type { Steerable } from "../../../../src/supervisor/steering/agreement.ts";
import {
  type HeldLever,
  type Setting,
  Steering,
  type SteeringSnapshot,
} from "../../../../src/supervisor/steering/steering.ts";

type Answers = (isFinal: boolean) => string | null | "silent";

class FakeWorker implements Steerable {
  readonly isServing = true;
  readonly name: string;
  /** The last order that it was told to follow. */
  follows: SteeringOrder | null = null;
  answers: Answers = () => null;
  steering: Steering | null = null;

  constructor(name: string) {
    this.name = name;
  }

  send(message: ToWorker): void {
    if (message.type !== "steer") return;
    const { order, isFinal } = message;
    const problem = this.answers(isFinal);
    if (problem === "silent") return;
    if (isFinal) this.follows = order;
    const { revision } = order;
    const answer = { type: "steered", revision, isFinal, problem } as const;
    queueMicrotask(() => this.steering?.onMessage(this, answer));
  }
}

interface Rig {
  readonly steering: Steering;
  readonly workers: readonly [FakeWorker, FakeWorker];
  readonly logged: string[];
}

function start(saved: SteeringSnapshot | null = null): Rig {
  const workers = [new FakeWorker("worker/0"), new FakeWorker("worker/1")] as const;
  const logged: string[] = [];
  const log = {
    info: (text: string, fields = {}) => logged.push(`${text} ${JSON.stringify(fields)}`),
  };
  const options = { log: log as unknown as Logger, workers: () => workers, answerMs: 100 };
  const steering = new Steering({ ...options, onChange() {} }, saved);
  for (const worker of workers) worker.steering = steering;
  return { steering, workers, logged };
}

function leverOf(kind: HeldLever["kind"], untilMs = Date.now() + 3_600_000): HeldLever {
  return { id: 7, kind, pool: "main", text: "one", uid: 0, atMs: Date.now(), untilMs };
}

const { config } = loadConfig(
  "pools:\n  r: { listen: h:1, servers: [h:2:1] }\n  m: { listen: h:3, protocol: memcache, servers: [h:2:1] }\n  t: { listen: h:4, protocol: tcp, servers: [h:2:1] }\n",
  "f.yaml",
  PROTOCOLS,
);
const LIVE: readonly NamedOption[] = namedOptions(config!, PROTOCOLS).filter(
  ({ option }) => option.isLive,
);

function settingOf({ path, pool, field }: NamedOption): Setting {
  return {
    ...{ path, pool, field, value: "another", text: "another", isLive: true },
    ...{ uid: 0, atMs: Date.now(), untilMs: null, isSaved: false },
  };
}

/** Why it was refused. */
async function problemsOf(change: Promise<void>): Promise<string> {
  try {
    await change;
  } catch (error) {
    if (error instanceof StartError) return error.problems.join("\n");
    throw error;
  }
  throw new Error("it was done");
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 5000) throw new Error("in vain");
    await Bun.sleep(1);
  }
}

describe("a lever", () => {
  for (const kind of LEVER_KINDS) {
    test(`${kind}: all workers follow it, and none when one cannot or is silent`, async () => {
      const { steering, workers } = start();
      const [first, second] = workers;
      second.answers = (isFinal) => (isFinal ? null : "cannot");
      expect(await problemsOf(steering.setLevers([leverOf(kind)]))).toContain(
        "nothing was changed",
      );
      expect([steering.levers, first.follows]).toEqual([[], null]);
      second.answers = (isFinal) => (isFinal ? "silent" : null);
      expect(await problemsOf(steering.setLevers([leverOf(kind)]))).toContain(
        "undone in all of them",
      );
      expect(steering.levers).toEqual([]);
      // Both were told what held before, and the silent one hears it when it wakes up.
      expect(leversOf(first.follows!)).toEqual([]);
      second.answers = () => null;
      await steering.setLevers([leverOf(kind)]);
      for (const { follows } of workers)
        expect(leversOf(follows!)).toEqual([{ kind, pool: "main", text: "one" }]);
    });

    test(`${kind}: ends by itself, also in the program that replaces this one`, async () => {
      const before = start();
      await before.steering.setLevers([leverOf(kind, Date.now() + 150)]);
      const saved = JSON.parse(JSON.stringify(before.steering.snapshot())) as SteeringSnapshot;
      const after = start(saved);
      expect(after.steering.levers.map((lever) => lever.kind)).toEqual([kind]);
      expect(leversOf(after.steering.order)).toHaveLength(1);
      for (const { steering, workers, logged } of [before, after]) {
        await until(() => steering.levers.length === 0);
        expect(logged.join("\n")).toContain("a lever's time is over");
        for (const { follows } of workers) expect(leversOf(follows!)).toEqual([]);
      }
    });
  }

  test("of a kind that older programs do not know is not among those that they are told of", async () => {
    const { steering } = start();
    await steering.setLevers(LEVER_KINDS.map((kind) => leverOf(kind)));
    const older = ["pause", "readonly", "block"];
    expect(steering.snapshot().levers?.map(({ kind }) => `${kind}`)).toEqual(older);
    expect(steering.order.levers?.map(({ kind }) => `${kind}`)).toEqual(older);
    expect(leversOf(steering.order)).toHaveLength(LEVER_KINDS.length);
  });
});

test("every live option: all workers follow, and none when one cannot or is silent", async () => {
  expect(LIVE.length).toBeGreaterThan(60);
  const { steering, workers } = start();
  const [first, second] = workers;
  for (const option of LIVE) {
    const setting = settingOf(option);
    const { pool, field, value } = setting;
    const held = steering.settings;
    second.answers = (isFinal) => (isFinal ? null : "does not know it");
    expect(await problemsOf(steering.set([setting])), option.path).toContain("nothing was changed");
    expect(steering.settings, option.path).toBe(held);
    second.answers = () => null;
    await steering.set([setting]);
    for (const { follows } of workers) expect(follows?.values).toEqual([{ pool, field, value }]);
  }
  const [option] = LIVE;
  second.answers = (isFinal) => (isFinal ? "silent" : null);
  const held = steering.settings;
  expect(await problemsOf(steering.set([settingOf(option!)]))).toContain("undone in all of them");
  expect(steering.settings).toEqual(held);
  expect(first.follows?.values.map(({ field }) => field)).toEqual(held.map(({ field }) => field));
});
