import { expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { closeFd } from "../../../src/os/fd.ts";
import { createPacketPair, receivePacket, sendPacket } from "../../../src/os/fd-passing.ts";
import { OsError } from "../../../src/os/os-error.ts";
import { createSharedMemory } from "../../../src/os/shared-memory.ts";

test("packets keep their bounds and bring their descriptors", () => {
  const { ours, theirs } = createPacketPair();
  const memory = createSharedMemory("test", 16);
  writeSync(memory, "0123456789", 0);
  expect(sendPacket(ours, Buffer.from("one"), [memory])).toBe(true);
  expect(sendPacket(ours, Buffer.from("second"), [memory, ours, memory])).toBe(true);
  expect(sendPacket(ours, Buffer.from("none"), [])).toBe(true);
  const buffer = Buffer.alloc(1024);
  const first = receivePacket(theirs, buffer)!;
  expect(buffer.toString("latin1", 0, first.length)).toBe("one");
  expect(first.fds).toHaveLength(1);
  const read = Buffer.alloc(4);
  readSync(first.fds[0]!, read, 0, 4, 3);
  expect(`${read}`).toBe("3456");
  const second = receivePacket(theirs, buffer)!;
  expect(buffer.toString("latin1", 0, second.length)).toBe("second");
  expect(second.fds.map((fd) => fstatSync(fd).isFile() || fstatSync(fd).isSocket())).toEqual([
    true,
    true,
    true,
  ]);
  const third = receivePacket(theirs, buffer)!;
  expect(third.fds).toEqual([]);
  expect(receivePacket(theirs, buffer)).toBeNull();
  for (const fd of [...first.fds, ...second.fds, memory, ours, theirs]) closeFd(fd);
});

test("a full socket says so and loses nothing", () => {
  const { ours, theirs } = createPacketPair();
  const file = openSync("/dev/null", "r");
  const packet = Buffer.alloc(32 * 1024, 7);
  let sent = 0;
  while (sent < 10_000 && sendPacket(ours, packet, [file])) sent++;
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThan(10_000);
  const buffer = Buffer.alloc(64 * 1024);
  let received = 0;
  for (let next = receivePacket(theirs, buffer); next !== null; ) {
    expect(next.length).toBe(packet.length);
    for (const fd of next.fds) closeSync(fd);
    received++;
    next = receivePacket(theirs, buffer);
  }
  expect(received).toBe(sent);
  expect(sendPacket(ours, packet, [file])).toBe(true);
  for (const fd of [ours, theirs, file]) closeFd(fd);
});

test("an end that is gone is an error", () => {
  const { ours, theirs } = createPacketPair();
  closeFd(theirs);
  expect(() => sendPacket(ours, Buffer.from("x"), [])).toThrow(OsError);
  expect(() => receivePacket(ours, Buffer.alloc(16))).toThrow(OsError);
  closeFd(ours);
});
