/** What is asked of servers about commands that no table knows. */
import { expect, test } from "bun:test";
import { Turn } from "../../../../../src/base/turn.ts";
import { CommandLearner } from "../../../../../src/protocols/redis/client/learn-commands.ts";
import { CommandTable } from "../../../../../src/protocols/redis/commands/command-table.ts";
import { FakeConnection } from "../../../client/session-rig.ts";

test("clients that leave before they hear of a failure do not keep others from asking", () => {
  const turn = new Turn();
  const learner = new CommandLearner(new CommandTable(), turn);
  const connection = new FakeConnection(0, turn, () => null);
  const nobody = { isWoken: true, wakeUp() {} };
  for (let i = 0; i < 5000; i++) {
    expect(learner.ask(`NAME${i}`, connection, nobody)).toBe(true);
    connection.answer();
  }
  expect(learner.takeFailure("name4999")).not.toBe(null);
});
