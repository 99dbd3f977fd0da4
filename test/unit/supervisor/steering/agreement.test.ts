/** One order for all workers, or none. */
import { expect, test } from "bun:test";
import type { ToWorker } from "../../../../src/api/control.ts";
import type { SteeringOrder } from "../../../../src/api/steering.ts";
import { StartError } from "../../../../src/supervisor/start-error.ts";
import { Agreement, type Steerable } from "../../../../src/supervisor/steering/agreement.ts";

class FakeWorker implements Steerable {
  readonly name: string;
  readonly isServing: boolean = true;
  readonly heard: string[] = [];
  answers: (isFinal: boolean) => string | null | "silent" = () => null;
  agreement: Agreement | null = null;
  /** Its problem is none if another can. */
  isElsewhere = false;

  constructor(name: string) {
    this.name = name;
  }

  send(message: ToWorker): void {
    if (message.type !== "steer") return;
    const { order, isFinal } = message;
    this.heard.push(`${isFinal ? "do" : "could"} ${order.revision}`);
    const problem = this.answers(isFinal);
    if (problem === "silent") return;
    const { revision } = order;
    queueMicrotask(() =>
      this.agreement?.onMessage(this, {
        ...{ type: "steered", revision, isFinal, problem },
        ...(this.isElsewhere ? { isElsewhere: true } : {}),
      }),
    );
  }
}

function rig(count: number): { agreement: Agreement; workers: FakeWorker[] } {
  const workers = Array.from({ length: count }, (_, index) => new FakeWorker(`worker/${index}`));
  const agreement = new Agreement(() => workers, 50);
  for (const worker of workers) worker.agreement = agreement;
  return { agreement, workers };
}

const order: SteeringOrder = { revision: 7, values: [] };

async function problemsOf(reached: Promise<void>): Promise<readonly string[]> {
  try {
    await reached;
    return [];
  } catch (error) {
    if (error instanceof StartError) return error.problems;
    throw error;
  }
}

test("all are asked, and then all are told", async () => {
  const { agreement, workers } = rig(3);
  let decidedAfter = 0;
  await agreement.reach(order, () => {
    decidedAfter = workers.reduce((sum, { heard }) => sum + heard.length, 0);
  });
  expect(decidedAfter).toBe(3);
  for (const { heard } of workers) expect(heard).toEqual(["could 7", "do 7"]);
});

test("when one cannot, none is told", async () => {
  const { agreement, workers } = rig(3);
  workers[1]!.answers = () => "does not know x";
  let isDecided = false;
  const problems = await problemsOf(
    agreement.reach(order, () => {
      isDecided = true;
    }),
  );
  expect(problems).toEqual(["worker/1: does not know x", "nothing was changed"]);
  expect(isDecided).toBe(false);
  for (const { heard } of workers) expect(heard).toEqual(["could 7"]);
});

test("what all of them say is said once", async () => {
  const { agreement, workers } = rig(3);
  for (const worker of workers) worker.answers = () => "knows no such server";
  const problems = await problemsOf(agreement.reach(order, () => {}));
  expect(problems).toEqual(["knows no such server", "nothing was changed"]);
});

test("one that is silent counts as one that cannot", async () => {
  const { agreement, workers } = rig(2);
  workers[0]!.answers = () => "silent";
  const problems = await problemsOf(agreement.reach(order, () => {}));
  expect(problems[0]).toContain("worker/0 did not answer");
  expect(workers[1]!.heard).toEqual(["could 7"]);
});

test("one that is silent when it is told is a failure too, after it was decided", async () => {
  const { agreement, workers } = rig(2);
  workers[0]!.answers = (isFinal) => (isFinal ? "silent" : null);
  let isDecided = false;
  const problems = await problemsOf(
    agreement.reach(order, () => {
      isDecided = true;
    }),
  );
  expect(isDecided).toBe(true);
  expect(problems.at(-1)).toContain("undone");
});

test("one that dies is not waited for, and neither is one that leaves", async () => {
  const { agreement, workers } = rig(3);
  workers[0]!.answers = () => {
    queueMicrotask(() => agreement.onGone(workers[0]!));
    return "silent";
  };
  Object.assign(workers[2]!, { isServing: false, answers: () => "silent" });
  await agreement.reach(order, () => {});
  expect(workers[2]!.heard).toEqual(["could 7", "do 7"]);
});

test("answers to an earlier order are passed over", async () => {
  const { agreement, workers } = rig(1);
  workers[0]!.answers = () => "silent";
  const reached = problemsOf(agreement.reach(order, () => {}));
  agreement.onMessage(workers[0]!, { type: "steered", revision: 6, isFinal: false, problem: null });
  agreement.onMessage(workers[0]!, { type: "steered", revision: 7, isFinal: true, problem: null });
  expect((await reached)[0]).toContain("did not answer");
});

test("what one worker does not have another may; what none has is refused", async () => {
  const { agreement, workers } = rig(3);
  for (const worker of workers.slice(1)) {
    worker.answers = (isFinal) => (isFinal ? null : "no pool has it");
    worker.isElsewhere = true;
  }
  expect(await problemsOf(agreement.reach(order, () => {}))).toEqual([]);
  workers[0]!.answers = () => "no pool has it";
  workers[0]!.isElsewhere = true;
  expect(await problemsOf(agreement.reach(order, () => {}))).toEqual([
    "no pool has it",
    "nothing was changed",
  ]);
});
