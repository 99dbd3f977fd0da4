import { expect, test } from "bun:test";
import { openSync } from "node:fs";
import { closeFd } from "../../../src/os/fd.ts";
import { peerUser } from "../../../src/os/socket-facts.ts";
import { createSocketPair } from "../../../src/os/socket-pair.ts";

test("who is at the other end of a unix socket; of anything else nobody", () => {
  const pair = createSocketPair();
  const file = openSync("/dev/null", "r");
  const ends = Object.values(pair);
  expect(ends.map(peerUser)).toEqual([process.getuid!(), process.getuid!()]);
  expect(peerUser(file)).toBe(-1);
  for (const fd of [...ends, file]) closeFd(fd);
});
