/** `npm run simulate`: many seeds, and which of them have shown a fault. */
import { availableParallelism } from "node:os";
import { type Outcome, prepare, simulate } from "./simulation.ts";

const HELP = `npm run simulate -- [--seeds N] [--from N]      runs N seeds, from number N on
npm run simulate -- --seed N [--trace]         runs one, and shows what happened
npm run simulate -- … --jobs N                 in so many processes
`;

const FAILURES_SHOWN_MAX = 20;

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`);
  if (at < 0) return otherwise;
  const value = Number(process.argv[at + 1]);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} takes a number`);
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

async function many(from: number, seeds: number): Promise<number> {
  await prepare();
  const startedMs = performance.now();
  let wrong = 0;
  let answered = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = simulate(seed);
    answered += outcome.answered;
    if (outcome.violations.length === 0) continue;
    if (++wrong > FAILURES_SHOWN_MAX) continue;
    show(outcome);
    console.log(`  again: npm run simulate -- --seed ${seed} --trace`);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(
    `${seeds} seeds from ${from}: ${wrong} wrong, ${answered} replies, ${seconds.toFixed(1)} s`,
  );
  return wrong === 0 ? 0 : 1;
}

/** Shares the seeds out to processes like this one. */
async function inProcesses(from: number, seeds: number, jobs: number): Promise<number> {
  const share = Math.ceil(seeds / jobs);
  const children = Array.from({ length: jobs }, (_, job) => {
    const first = from + job * share;
    const count = Math.min(share, from + seeds - first);
    const args = ["--from", String(first), "--seeds", String(count), "--jobs", "1"];
    return Bun.spawn([process.execPath, import.meta.path, ...args], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  });
  const codes = await Promise.all(children.map(({ exited }) => exited));
  return Math.max(...codes);
}

if (import.meta.main) {
  if (process.argv.includes("--help")) process.stdout.write(HELP);
  else if (process.argv.includes("--seed")) process.exitCode = await one(option("seed", 1));
  else {
    const from = option("from", 1);
    const seeds = option("seeds", 1000);
    const jobs = Math.min(option("jobs", availableParallelism()), seeds);
    process.exitCode = jobs > 1 ? await inProcesses(from, seeds, jobs) : await many(from, seeds);
  }
}
