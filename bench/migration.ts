/**
 * Keys that move along when servers change: `bun bench/migration.ts [--phases runs,sweep,cpu] [--runs 10] [--keys 300] [--calm] [--sweep-keys 1000000]
 * [--rate N] [--rounds 9] [--requests 20000]`, with the executable of PROXY_BINARY.
 */
import { parseArgs } from "node:util";
import { measureCpu, measureSweep } from "./migration/cost.ts";
import { measureRun } from "./migration/runs.ts";
import { requireProc } from "./proc.ts";

requireProc();
const { values } = parseArgs({
  options: {
    phases: { type: "string", default: "runs,sweep,cpu" },
    runs: { type: "string", default: "10" },
    keys: { type: "string", default: "300" },
    /** Nothing is killed. */
    calm: { type: "boolean", default: false },
    "sweep-keys": { type: "string", default: "1000000" },
    rate: { type: "string" },
    rounds: { type: "string", default: "9" },
    requests: { type: "string", default: "20000" },
  },
});
const phases = values.phases.split(",");

if (phases.includes("runs")) {
  for (let run = 1; run <= Number(values.runs); run++) {
    const figures = await measureRun(Number(values.keys), !values.calm);
    process.stdout.write(`run ${run}: ${JSON.stringify(figures)}\n`);
  }
}
if (phases.includes("sweep")) {
  const rate = values.rate === undefined ? null : Number(values.rate);
  const figures = await measureSweep(Number(values["sweep-keys"]), rate);
  process.stdout.write(`sweep: ${JSON.stringify(figures)}\n`);
}
if (phases.includes("cpu")) {
  const figures = await measureCpu(Number(values.rounds), Number(values.requests));
  process.stdout.write(`cpu, of a pool whose keys never move: ${JSON.stringify(figures)}\n`);
}
process.exit(0);
