/** FLUSHALL and KEYS while keys go from the first of two servers to the second: the first is asked, and only then both are. */
import { expect, test } from "bun:test";
import type { MovingKeys } from "../../../../../../src/api/protocol-module.ts";
import { mergeKeys } from "../../../../../../src/protocols/redis/client/keyless/sources-first.ts";
import type { KeyGate } from "../../../../../../src/protocols/redis/migrate/key-gate.ts";
import { type AnswerOf, createRig, type Rig } from "../../../../client/session-rig.ts";

function createMovingRig(answerOf: AnswerOf): Rig {
  const rig = createRig({ servers: 2, answerOf });
  const [source, target] = rig.pool.route.upstreams;
  const moving = {
    epoch: 1,
    sources: [source],
    targets: [source, target],
  } as unknown as MovingKeys;
  const gate = { isOpen: false, mover: { moving }, admit: () => true } as unknown as KeyGate;
  Object.assign(rig.pool, { gate });
  return rig;
}

const asked = (rig: Rig): readonly number[] =>
  rig.connections.map(({ requests }) => requests.length);

for (const command of [["FLUSHALL"], ["FLUSHDB"], ["KEYS", "*"]]) {
  test(`${command[0]}: no server is asked again, and what follows is not sent, before those that keys leave have answered`, async () => {
    const rig = createMovingRig(() => (command[0] === "KEYS" ? "*0\r\n" : "+OK\r\n"));
    rig.ask(...command);
    rig.ask("GET", "v1");
    await rig.turn();
    await rig.turn();
    expect(asked(rig)).toEqual([1, 0]);
    rig.connections[0]!.answer();
    await rig.turn();
    await rig.turn();
    expect(
      rig.connections.map(
        ({ requests }) => requests.filter(([name]) => name === command[0]).length,
      ),
    ).toEqual([2, 1]);
  });
}

test("an error of one that keys leave is the reply, and the others are not asked", async () => {
  const rig = createMovingRig(() => "-ERR no\r\n");
  rig.ask("FLUSHALL");
  await rig.settle();
  expect(rig.stream.output).toStartWith("-ERR no");
  expect(asked(rig)).toEqual([1, 0]);
});

test("KEYS: a key that was found in both rounds is named once", async () => {
  const rig = createMovingRig((_, server) => `*2\r\n$1\r\na\r\n$1\r\n${server}\r\n`);
  rig.ask("KEYS", "*");
  await rig.settle();
  expect(rig.stream.output).toBe("*3\r\n$1\r\na\r\n$1\r\n0\r\n$1\r\n1\r\n");
});

test("what is no array does not fit", () => {
  expect(mergeKeys([Buffer.from("*0\r\n"), Buffer.from("+OK\r\n")])).toBeNull();
});
