/** What is asked of servers about commands that no table knows. */
import { expect, test } from "bun:test";
import type { Upstream } from "../../../../../src/api/upstream.ts";
import { CommandLearner } from "../../../../../src/protocols/redis/client/learn-commands.ts";
import { CommandTable } from "../../../../../src/protocols/redis/commands/command-table.ts";
import { ManualDeadlines, ManualTurn } from "../../../../support/manual-deadlines.ts";
import { FakeConnection } from "../../../client/session-rig.ts";

const NAME_UNKNOWN = "*1\r\n*-1\r\n";
const nobody = { isWoken: true, wakeUp() {} };

function createRig(answers: readonly (string | null)[]) {
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const connections = answers.map((answer, at) => new FakeConnection(at, turn, () => answer));
  const servers = connections.map((_, id) => ({ id }) as unknown as Upstream);
  const learner = new CommandLearner(new CommandTable(), turn, deadlines);
  const ask = (name: string): boolean =>
    learner.ask(name, servers, ({ id }) => connections[id]!, nobody);
  return { learner, connections, deadlines, ask };
}

test("clients that leave before they hear of a failure do not keep others from asking", () => {
  const { learner, connections, ask } = createRig([null]);
  for (let i = 0; i < 5000; i++) {
    expect(ask(`NAME${i}`)).toBe(true);
    connections[0]!.answer();
  }
  expect(learner.takeFailure("name4999")).not.toBe(null);
});

test("a server that hangs is not waited for when another one knows; what it says later changes nothing", () => {
  const { learner, connections, deadlines, ask } = createRig([null, NAME_UNKNOWN]);
  const [hung, well] = connections as [FakeConnection, FakeConnection];
  ask("NAME");
  deadlines.reach(1049);
  expect(well.requests).toEqual([]);
  deadlines.reach(1050);
  expect(well.requests).toEqual([["COMMAND", "INFO", "NAME"]]);
  well.answer();
  expect(learner.mayExist("NAME")).toBe(false);
  hung.answer();
  expect(learner.takeFailure("NAME")).toBe(null);
});
