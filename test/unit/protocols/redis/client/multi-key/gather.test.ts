/** What a gather keeps of the replies to its parts while others are missing lies in blocks of the pool, and goes back there. */
import { expect, test } from "bun:test";
import { outstandingBlockBytes } from "../../../../../../src/base/block-pool.ts";
import { createRig, type Rig } from "../../../../client/session-rig.ts";

/** A client has asked for keys of three servers, two of which have answered in turns that are over. */
async function waitForOne(): Promise<Rig> {
  const rig = createRig({ servers: 3 });
  rig.ask("MGET", "v0", "v1", "v2", "v10", "v12");
  await rig.turn();
  for (const server of [2, 0]) {
    rig.connections[server]!.answer();
    await rig.turn();
  }
  return rig;
}

test("parts of several turns are merged, and nothing of the pool is left taken", async () => {
  const before = outstandingBlockBytes();
  const rig = await waitForOne();
  expect(outstandingBlockBytes()).toBeGreaterThan(before);
  rig.connections[1]!.answer();
  await rig.settle();
  const values = ["v0", "v1", "v2", "v10", "v12"].map(
    (key) => `$${key.length + 2}\r\n<${key}>\r\n`,
  );
  expect(rig.stream.output).toBe(`*5\r\n${values.join("")}`);
  expect(outstandingBlockBytes()).toBe(before);
});

test("a client that leaves meanwhile gives them back at once", async () => {
  const before = outstandingBlockBytes();
  const rig = await waitForOne();
  rig.session.close();
  expect(outstandingBlockBytes()).toBe(before);
  rig.connections[1]!.answer();
  await rig.settle();
  expect(outstandingBlockBytes()).toBe(before);
});
