/** `npm run fuzz`: all scanners, with inputs of one seed after the other, for some minutes. */
import { type FuzzFailure, fuzzOnce } from "./fuzz.ts";
import { fuzzPackets, preparePackets } from "./packets.ts";
import { TARGETS } from "./targets.ts";

const HELP = `npm run fuzz -- [--minutes N] [--from N]   with random seeds, or those from number N on
npm run fuzz -- --seed N                   one of them
`;
const FAILURES_MAX = 20;
const MINUTE_MS = 60_000;

function option(name: string): number | null {
  const at = process.argv.indexOf(`--${name}`);
  if (at < 0) return null;
  const value = Number(process.argv[at + 1]);
  if (!(value >= 0)) throw new Error(`--${name} takes a number`);
  return value;
}

function fuzzAll(seed: number): FuzzFailure[] {
  const failures = TARGETS.map((target) => fuzzOnce(target, seed));
  failures.push(fuzzPackets(seed));
  return failures.filter((failure) => failure !== null);
}

function show({ target, seed, input, problem }: FuzzFailure): void {
  console.log(`${target}: ${problem}\n  input: ${input}\n  again: npm run fuzz -- --seed ${seed}`);
}

if (process.argv.includes("--help")) process.stdout.write(HELP);
else {
  await preparePackets();
  const only = option("seed");
  const from = only ?? option("from") ?? Date.now() % 2 ** 31;
  const endMs = performance.now() + (option("minutes") ?? 1) * MINUTE_MS;
  let seed = from;
  let failures = 0;
  do {
    for (const failure of fuzzAll(seed)) {
      failures++;
      show(failure);
    }
    seed++;
  } while (only === null && performance.now() < endMs && failures < FAILURES_MAX);
  console.log(`${seed - from} seeds from ${from}: ${failures} failures`);
  process.exitCode = failures === 0 ? 0 : 1;
}
