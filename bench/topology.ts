/**
 * What clients notice when servers change behind the proxy: `bun bench/topology.ts [--phases a,b] [--seconds 60] [--rounds 5]`, Markdown on
 * stdout, details on stderr. Real servers and sentinels, two workers. The environment's PROXY_BINARY is the proxy; without it, the sources.
 *
 *   cluster    slots of a Redis Cluster move, and a node comes
 *   death      a primary of a Redis Cluster is killed, its replica takes over, and it returns
 *   upkeep     the same with a reload, and then an upgrade, while no server has the slots
 *   sentinel   a master that sentinels watch is killed, its replica takes over, and it returns
 *   replicas   where reads land, by read_from, while a replica is well, cut off, or syncs
 *   crowd      a thousand clients while slots go to and fro, for so many seconds
 *   mirror     what a mirror costs that is well, dead, slow, or takes nothing, in so many rounds
 */
import { parseArgs } from "node:util";
import { machineFacts } from "./machine.ts";
import { table } from "./markdown.ts";
import { requireProc } from "./proc.ts";
import { measureCluster, measureDeath, UPKEEP } from "./topology/cluster.ts";
import { measureCrowd } from "./topology/crowd.ts";
import { measureMirror } from "./topology/mirror.ts";
import { measureReplicas } from "./topology/replicas.ts";
import { COLUMNS, type Row, say } from "./topology/report.ts";
import { measureSentinel } from "./topology/sentinel.ts";

const ALL = "cluster,death,upkeep,sentinel,replicas,crowd,mirror";

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      phases: { type: "string", default: ALL },
      seconds: { type: "string", default: "60" },
      rounds: { type: "string", default: "5" },
    },
  });
  const { cores, cpu, kernel, bun, redis, commit } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, Redis ${redis}, commit ${commit}\n\n`,
  );
  for (const phase of values.phases.split(",")) {
    say(`== ${phase}`);
    const told = await measure(phase, Number(values.seconds), Number(values.rounds));
    process.stdout.write(told === "" ? "" : `${told}\n\n`);
  }
}

/** @returns Markdown; "": it has told all on stderr */
async function measure(phase: string, seconds: number, rounds: number): Promise<string> {
  switch (phase) {
    case "cluster":
      return inTable(await measureCluster());
    case "death":
      return inTable(await measureDeath());
    case "upkeep":
      return inTable(await measureDeath([], UPKEEP));
    case "sentinel":
      return inTable(await measureSentinel());
    case "replicas":
      await measureReplicas();
      return "";
    case "crowd":
      await measureCrowd(seconds);
      return "";
    case "mirror":
      return await measureMirror(rounds);
    default:
      throw new Error(`no such phase: ${phase}; there are ${ALL}`);
  }
}

function inTable(rows: readonly Row[]): string {
  return table(
    COLUMNS,
    rows.map(({ what, cells }) => [what, ...cells]),
  );
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
// Ends the servers that a phase that failed has left.
process.exit();
