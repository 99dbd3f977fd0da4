/** How many descriptors come with a packet is known before it is taken. */
import { expect, test } from "bun:test";
import { PACKET_DESCRIPTORS_USUAL } from "../../../src/base/limits.ts";
import { packetDescriptors } from "../../../src/base/packet-descriptors.ts";
import { closeFd } from "../../../src/os/fd.ts";
import {
  createPacketPair,
  peekPacket,
  receivePacket,
  sendPacket,
} from "../../../src/os/fd-passing.ts";

const countIn = (text: string): number => packetDescriptors(Buffer.from(text), text.length);

test("its head says so; of one that does not, the usual number is meant", () => {
  // The client, and perhaps a memory file.
  expect(countIn('{"pool":"a","descriptors":0,"client":{}}\n')).toBe(2);
  expect(countIn('{"pool":"a"}\n')).toBe(PACKET_DESCRIPTORS_USUAL);
  expect(countIn('{"pool":"a","descriptors":16,"client":{"descriptors":99}}\n')).toBe(18);
  // The name of a pool cannot say it.
  expect(countIn('{"pool":"\\"descriptors\\":50","descriptors":12,"client":{}}\n')).toBe(14);
});

test("looking at a packet leaves it where it is, with its descriptors", () => {
  const { ours, theirs } = createPacketPair();
  const buffer = Buffer.alloc(100);
  try {
    expect(peekPacket(theirs, buffer)).toBe(0);
    sendPacket(ours, Buffer.from("hello"), [ours, theirs, ours]);
    for (let i = 0; i < 3; i++) {
      expect(peekPacket(theirs, buffer)).toBe(5);
      expect(buffer.toString("latin1", 0, 5)).toBe("hello");
    }
    const packet = receivePacket(theirs, buffer);
    expect([packet?.length, packet?.fds.length, packet?.isCut]).toEqual([5, 3, false]);
    for (const fd of packet?.fds ?? []) closeFd(fd);
    expect(peekPacket(theirs, buffer)).toBe(0);
  } finally {
    closeFd(ours);
    closeFd(theirs);
  }
});
