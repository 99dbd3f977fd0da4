/** `npm run simulate`: many seeds, and which of them have shown a fault. */
import { availableParallelism } from "node:os";
import { type Outcome, prepare, simulate } from "./simulation.ts";

const HELP = `npm run simulate -- [--seeds N] [--from N]      runs N seeds, from number N on
npm run simulate -- --seed N [--trace]         runs one, and shows what happened
npm run simulate -- … --jobs N                 in so many processes
npm run simulate -- … --jobs 1 --first         ends with the first seed that is wrong
npm run simulate -- … --minutes N              begins no further seed after so long, and says where to go on
`;

const FAILURES_SHOWN_MAX = 20;

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`);
  if (at < 0) return otherwise;
  const value = Number(process.argv[at + 1]);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} takes a number`);
  return value;
}

function show({ seed, violations, plan, hash, answered, failed, simulatedMs }: Outcome): void {
  console.log(
    `seed ${seed}: ${violations.length === 0 ? "right" : "WRONG"}, ${answered} replies, ${failed} of them errors, ${(simulatedMs / 1000).toFixed(1)} s, hash ${hash.toString(16)}`,
  );
  console.log(`  ${JSON.stringify(plan)}`);
  for (const violation of violations) console.log(`  ${violation}`);
}

async function one(seed: number): Promise<number> {
  await prepare();
  const outcome = simulate(seed, process.argv.includes("--trace"));
  for (const line of outcome.trace) console.log(line);
  show(outcome);
  return outcome.violations.length === 0 ? 0 : 1;
}

interface Share {
  readonly from: number;
  readonly seeds: number;
  /** From one seed to the next one. */
  readonly step: number;
  /** After so long no further seed begins. */
  readonly minutes: number;
}

interface Sum {
  seeds: number;
  wrong: number;
  answered: number;
  /** The first seed of this share that was not played. */
  next: number;
}

async function many({ from, seeds, step, minutes }: Share): Promise<Sum> {
  await prepare();
  const endMs = performance.now() + minutes * 60_000;
  const sum: Sum = { seeds: 0, wrong: 0, answered: 0, next: from };
  for (; sum.next < from + seeds && performance.now() < endMs; sum.next += step) {
    const outcome = simulate(sum.next);
    sum.seeds++;
    sum.answered += outcome.answered;
    if (outcome.violations.length === 0) continue;
    if (++sum.wrong > FAILURES_SHOWN_MAX) continue;
    show(outcome);
    console.log(`  again: npm run simulate -- --seed ${sum.next} --trace`);
    if (process.argv.includes("--first")) break;
  }
  return sum;
}

/** Has processes like this one take turns with the seeds, so that all before the first one that was not played were. */
async function inProcesses(share: Share, jobs: number): Promise<Sum> {
  const { from, seeds, minutes } = share;
  const sums = await Promise.all(
    Array.from({ length: jobs }, async (_, job) => {
      const options = { from: from + job, seeds: seeds - job, step: jobs, minutes, jobs: 1 };
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
      let sum: Sum | null = null;
      const child = Bun.spawn([process.execPath, import.meta.path, ...args], {
        stdio: ["ignore", "inherit", "inherit"],
        ipc(message) {
          sum = message;
        },
      });
      await child.exited;
      if (sum === null)
        throw new Error(
          `the process that plays every ${jobs}th seed from ${options.from} has died`,
        );
      return sum as Sum;
    }),
  );
  return {
    seeds: sums.reduce((all, { seeds }) => all + seeds, 0),
    wrong: sums.reduce((all, { wrong }) => all + wrong, 0),
    answered: sums.reduce((all, { answered }) => all + answered, 0),
    next: Math.min(...sums.map(({ next }) => next)),
  };
}

async function play(): Promise<number> {
  const startedMs = performance.now();
  const share: Share = {
    from: option("from", 1),
    seeds: option("seeds", 1000),
    step: option("step", 1),
    minutes: option("minutes", 24 * 60),
  };
  const jobs = Math.min(option("jobs", availableParallelism()), share.seeds);
  const sum = jobs > 1 ? await inProcesses(share, jobs) : await many(share);
  if (process.send !== undefined) process.send(sum);
  else {
    const seconds = (performance.now() - startedMs) / 1000;
    console.log(
      `${sum.seeds} seeds from ${share.from}: ${sum.wrong} wrong, ${sum.answered} replies, ${seconds.toFixed(1)} s`,
    );
    if (sum.next < share.from + share.seeds) {
      const left = share.from + share.seeds - sum.next;
      console.log(`  go on: npm run simulate -- --from ${sum.next} --seeds ${left}`);
    }
  }
  return sum.wrong === 0 ? 0 : 1;
}

if (import.meta.main) {
  if (process.argv.includes("--help")) process.stdout.write(HELP);
  else if (process.argv.includes("--seed")) process.exitCode = await one(option("seed", 1));
  else process.exitCode = await play();
}
