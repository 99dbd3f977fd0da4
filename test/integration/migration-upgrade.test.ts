/** An upgrade while keys of a pool move: they go on moving under the next program, and so does the next change of servers. */
import { afterEach, expect, test } from "bun:test";
import { MigrationRig } from "../support/migration/rig.ts";

const rig = new MigrationRig();

afterEach(() => rig.stop());

test("keys go on moving after an upgrade, and back with the next reload", async () => {
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
}, 120_000);
