/**
 * `npm run chaos -- --seconds 60 --on-down rehash --seed 7`: faults of servers by chance, and what clients saw of them. Ends with 1 when a
 * reply was wrong or missing, a client's connection was closed, or an error came where no server was ill.
 */
import { parseArgs } from "node:util";
import { CHAOS_INTERVAL_MS, runChaos } from "../support/chaos.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    "on-down": { type: "string", default: "fail" },
    seed: { type: "string", default: `${Date.now() % 2 ** 31}` },
  },
});
const onDown = values["on-down"] === "rehash" ? "rehash" : "fail";
const seed = Number(values.seed);
console.log(`seed ${seed}, on_down: ${onDown}`);
const report = await runChaos({
  ...{ seconds: Number(values.seconds), onDown, seed },
  tell: (line) => console.log(line),
});
console.log(JSON.stringify({ ...report, twoIntervalsMs: 2 * CHAOS_INTERVAL_MS }, null, 2));
const faults = report.wrong + report.unanswered + report.closed + report.errorsOutOfPlace;
process.exit(faults === 0 ? 0 : 1);
