/**
 * Keys of all types move along under a verified load while servers come and go, 3 → 4 → 5 → 4, and processes are killed: what clients notice, and
 * where keys are at the end.
 */
import { MigrationRig } from "../../test/support/migration/rig.ts";
import { VerifiedLoad } from "../../test/support/migration/verified-load.ts";

const CLIENTS = 6;
const FOUR = [0, 1, 2, 3];
/** They are killed, or replaced, in the first, the second and the third change of servers. */
const TROUBLES = ["worker", "sweeper", "upgrade"] as const;
const TTL_TOLERANCE_S = 1;

export interface RunFigures {
  readonly requests: number;
  readonly wrong: number;
  readonly errors: number;
  /** Connections that were lost: those of a worker that was killed. */
  readonly lost: number;
  readonly longestMs: number;
  /** Keys that are not on exactly their server, or have other contents or another end than before. */
  readonly misplaced: number;
  readonly changed: number;
  /** The first of all that is wrong. */
  readonly example: string;
}

/** @param keys of each of six types, and as many in another database @param hasTroubles false: nothing is killed */
export async function measureRun(keys: number, hasTroubles: boolean): Promise<RunFigures> {
  const rig = new MigrationRig();
  try {
    await rig.startServers(5);
    const rate = `migrate_rate: ${hasTroubles ? 7 * keys : 20_000}`;
    await rig.start([0, 1, 2], rate);
    const asks = await rig.fill(keys);
    const before = await rig.answers(asks);
    const ends = await endsOf(rig, keys);
    const load = new VerifiedLoad(rig.port, CLIENTS);
    for (const [number, servers] of [FOUR, [...FOUR, 4], FOUR].entries()) {
      await rig.changeTo(servers, rate);
      await rig.untilMoving();
      if (hasTroubles) await trouble(rig, TROUBLES[number]!);
      await rig.untilDone();
    }
    const report = await load.stop();
    const misplaced = [...(await rig.misplaced(FOUR)), ...(await rig.misplaced(FOUR, 3))];
    const after = await rig.answers(asks);
    const changed = asks.filter((_, i) => after[i] !== before[i]).map((words) => words.join(" "));
    const endsNow = await endsOf(rig, keys);
    for (const [i, end] of endsNow.entries()) {
      if (Math.abs(end - ends[i]!) > TTL_TOLERANCE_S) changed.push(`the end of string:${i}`);
    }
    return {
      ...{ requests: report.requests, wrong: report.wrong.length, errors: report.errors.length },
      ...{ lost: report.lost, longestMs: report.longestMs },
      ...{ misplaced: misplaced.length, changed: changed.length },
      example: [...report.wrong, ...report.errors, ...misplaced, ...changed][0] ?? "",
    };
  } finally {
    await rig.stop();
  }
}

async function trouble(rig: MigrationRig, what: (typeof TROUBLES)[number]): Promise<void> {
  if (what === "upgrade") {
    await rig.command("upgrade");
    return;
  }
  if (what === "sweeper") await rig.until("the sweeper", async () => rig.sweeperPid() !== null);
  const pid = what === "worker" ? rig.workerPids()[0] : rig.sweeperPid();
  if (pid != null) process.kill(pid, "SIGKILL");
}

/** When keys that have an end are gone, in seconds of a clock that all reads share. */
async function endsOf(rig: MigrationRig, keys: number): Promise<number[]> {
  const client = await rig.connect();
  const ends: number[] = [];
  for (let i = 0; i < keys; i++) {
    const left = Number((await client.ask("PTTL", `string:${i}`)).substring(1));
    ends.push((performance.now() + left) / 1_000);
  }
  return ends;
}
