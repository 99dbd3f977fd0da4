/** Who hears of servers that are waited for, and when. */
import { expect, test } from "bun:test";
import { startState } from "../../../../../src/protocols/redis/client/client-state.ts";
import {
  Maintenance,
  type NotifiedClient,
} from "../../../../../src/protocols/redis/client/maintenance.ts";
import { ManualDeadlines, ManualTurn } from "../../../../support/manual-deadlines.ts";

function rig() {
  let numbers = 0;
  const turn = new ManualTurn();
  const maintenance = new Maintenance(
    turn,
    new ManualDeadlines(turn),
    () => ++numbers,
    () => 1500,
  );
  const heard: string[] = [];
  const client = (maintenanceNow: "on" | "told" = "on", version: 2 | 3 = 3): NotifiedClient => ({
    state: { ...startState(1, true), version, maintenance: maintenanceNow },
    session: {
      push: (bytes, start, end) =>
        heard.push(/[A-Z_]{5,}/.exec(bytes.toString("latin1", start, end))![0]),
      drain() {},
    },
    prefersToStay: false,
    lastRequestMs: 0,
  });
  return { maintenance, heard, client };
}

test("it is told once when something is waited for, and once when nothing is", () => {
  const { maintenance, heard, client } = rig();
  const one = client();
  maintenance.add(one);
  maintenance.begin();
  maintenance.begin();
  expect([heard.splice(0), one.state.maintenance]).toEqual([["FAILING_OVER"], "told"]);
  maintenance.end();
  expect(heard).toEqual([]);
  maintenance.end();
  expect([heard.splice(0), one.state.maintenance]).toEqual([["FAILED_OVER"], "on"]);
  maintenance.remove(one);
  maintenance.begin();
  expect(heard).toEqual([]);
});

test("a client that comes meanwhile hears of it, and one that has moved hears that it is over where it is", () => {
  const { maintenance, heard, client } = rig();
  const moved = client("told");
  maintenance.add(moved);
  expect([heard.splice(0), moved.state.maintenance]).toEqual([["FAILED_OVER"], "on"]);
  maintenance.begin();
  maintenance.add(client());
  expect(heard.splice(0)).toEqual(["FAILING_OVER", "FAILING_OVER"]);
  // It knows already.
  maintenance.add(client("told"));
  expect(heard).toEqual([]);
});

test("what speaks RESP2 again gets no message that it would take for a reply", () => {
  const { maintenance, heard, client } = rig();
  maintenance.add(client("on", 2));
  maintenance.begin();
  maintenance.end();
  expect(heard).toEqual([]);
});
