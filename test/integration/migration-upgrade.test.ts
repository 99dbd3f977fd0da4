/** An upgrade while keys of a pool move: they go on moving under the next program, and so does the next change of servers; and where they are is verified. */
import { afterEach, expect, test } from "bun:test";
import type { PoolVerification, ServerVerification } from "../../src/api/migration.ts";
import { homeOf, keyBetween, MigrationRig } from "../support/migration/rig.ts";

const rig = new MigrationRig();

afterEach(() => rig.stop());

test("keys go on moving after an upgrade, and back with the next reload; those that are not where they belong are found and mended", async () => {
  await rig.startServers(4);
  await rig.start([0, 1, 2]);
  const asks = await rig.fill(10);
  const before = await rig.answers(asks);
  await rig.changeTo([0, 1, 2, 3]);
  expect((await rig.command("migration", "pause", "main")).code).toBe(0);
  await rig.untilMoving();
  const { code, err } = await rig.command("upgrade");
  expect(code === 0 ? 0 : `${code} ${err}`).toBe(0);
  expect((await rig.statuses())[0]).toMatchObject({ phase: "moving", isPaused: true });
  expect(await rig.answers(asks)).toEqual(before);
  expect((await rig.command("migration", "resume", "main")).code).toBe(0);
  await rig.untilDone();
  expect(await rig.misplaced([0, 1, 2, 3])).toEqual([]);
  await rig.changeTo([0, 1, 2]);
  await rig.untilDone();
  expect(await rig.misplaced([0, 1, 2])).toEqual([]);
  expect(await rig.answers(asks)).toEqual(before);

  const verify = async (...flags: readonly string[]) => {
    const { code, out } = await rig.command("migration", "verify", "main", "--json", ...flags);
    const { pools } = JSON.parse(out) as { pools: readonly PoolVerification[] };
    const sum = (pick: (server: ServerVerification) => number): number =>
      pools[0]!.servers.reduce((all, server) => all + pick(server), 0);
    const strays = sum((one) => one.strays);
    const [hidden, mended] = [sum((one) => one.hidden), sum((one) => one.mended)];
    return { code, seen: sum(({ seen }) => seen), strays, hidden, mended };
  };
  const sound = { code: 0, strays: 0, hidden: 0, mended: 0 };
  expect(await verify()).toMatchObject(sound);
  // One that its server has, too, and one that it lacks.
  const lost = keyBetween("lost", [0, [0, 1, 2]], [0, [0, 1, 2]]);
  const twice = "string:0";
  const at = [0, 1, 2].find((number) => number !== homeOf(twice, [0, 1, 2]))!;
  const wrong = await rig.connect(rig.servers[1]!.port);
  await wrong.ask("SET", lost, "found", "EX", "500");
  await (await rig.connect(rig.servers[at]!.port)).ask("SET", twice, "stale");
  expect(await verify()).toMatchObject({ code: 1, strays: 2, hidden: 1, mended: 0 });
  expect((await rig.command("migration", "verify")).out).toContain(lost);
  expect(await verify("--mend", "move")).toMatchObject({ code: 0, strays: 2, mended: 2 });
  expect(await verify()).toMatchObject(sound);
  expect(await rig.misplaced([0, 1, 2])).toEqual([]);
  expect(await rig.answers(asks)).toEqual(before);
  expect(await (await rig.connect()).ask("GET", lost)).toBe("$5\r\nfound\r\n");
  await wrong.ask("SET", lost, "again");
  expect(await verify("--mend", "remove")).toMatchObject({ code: 0, strays: 1, mended: 1 });
  expect((await rig.placesOfKeys()).get(lost)).toEqual([0]);
}, 120_000);
