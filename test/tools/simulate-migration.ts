/**
 * Simulates migrations from many seeds: `bun test/tools/simulate-migration.ts FIRST LAST [HAZARD [redis|memcache|hosts]]`, with `hosts` at several
 * hosts that agree. Prints each seed that finds a fault, and ends with 1 if there was one.
 */
import { HostsWorld } from "../support/migration/hosts-world.ts";
import type { Hazard, Kind } from "../support/migration/rings.ts";
import { World } from "../support/migration/world.ts";

const FAULTS_MAX = 10;

const [first = "1", last = "100000", hazard = "none", kind = "redis"] = process.argv.slice(2);
let faults = 0;
for (let seed = Number(first); seed <= Number(last) && faults < FAULTS_MAX; seed++) {
  const world =
    kind === "hosts"
      ? new HostsWorld(seed, hazard as Hazard)
      : new World(seed, hazard as Hazard, kind as Kind);
  const [problem] = world.run();
  if (problem === undefined) continue;
  faults++;
  process.stdout.write(`seed ${seed}: ${problem}\n`);
}
process.stdout.write(`seeds ${first} to ${last}, ${hazard}, ${kind}: ${faults} faults\n`);
process.exit(faults === 0 ? 0 : 1);
