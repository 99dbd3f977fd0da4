/**
 * `npm run differential -- [--seconds N] [--seed N] [--straight]`: random scripts through the proxy and straight to
 * Redis, until the time is up or a reply differs. With --straight a second Redis takes the proxy's place.
 */
import { parseArgs } from "node:util";
import { checkRandomScripts, startRig } from "../support/differential-rig.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 30) },
    straight: { type: "boolean", default: false },
  },
});

const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
console.log(`${seconds} s from seed ${seed}`);
const rig = await startRig({ straight: values.straight });
try {
  console.log(`${await checkRandomScripts(rig, { seconds, seed })} scripts: the same replies`);
} catch (error) {
  console.log((error as Error).message);
  process.exitCode = 1;
} finally {
  await rig.stop();
}
