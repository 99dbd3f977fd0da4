/**
 * `npm run chaos -- --seconds 60 --on-down rehash --seed 7`: faults of servers by chance, and what clients saw of them. Ends with 1 when a
 * reply was wrong or missing, a client's connection was closed, or an error came where no server was ill. `--faults garbage,slow` plays
 * only these.
 */
import { parseArgs } from "node:util";
import { CHAOS_INTERVAL_MS, FAULTS, runChaos } from "../support/chaos.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    "on-down": { type: "string", default: "fail" },
    faults: { type: "string", default: FAULTS.join(",") },
    seed: { type: "string", default: `${Date.now() % 2 ** 31}` },
  },
});
const onDown = values["on-down"] === "rehash" ? "rehash" : "fail";
const seed = Number(values.seed);
console.log(`seed ${seed}, on_down: ${onDown}`);
const report = await runChaos({
  ...{ seconds: Number(values.seconds), onDown, seed },
  faults: FAULTS.filter((fault) => values.faults.split(",").includes(fault)),
  tell: (line) => console.log(`${new Date().toISOString().substring(11, 23)} ${line}`),
});
const others = report.p99OthersMs / report.p99QuietMs;
console.log(
  JSON.stringify(
    { ...report, twoIntervalsMs: 2 * CHAOS_INTERVAL_MS, p99OthersToQuiet: others },
    null,
    2,
  ),
);
const faults = report.wrong + report.unanswered + report.closed + report.errorsOutOfPlace;
process.exit(faults === 0 ? 0 : 1);
