import { expect, test } from "bun:test";
import { MemcacheTtlCap } from "../../../../../src/protocols/memcache/client/ttl-cap.ts";

const NOW_S = 1_900_000_000;
const capper = new MemcacheTtlCap(20, () => NOW_S * 1000);

function capped(line: string, data = ""): string {
  const { request, follow } = capper.cap(Buffer.from(`${line}\r\n${data}`, "latin1"));
  expect(follow).toBeNull();
  return request.toString("latin1");
}

test("text: times are cut, and what has none gets one", () => {
  const cases: Readonly<Record<string, string>> = {
    "set k 7 0 1": "set k 7 20 1",
    "set k 7 5 1": "set k 7 5 1",
    "set  k 7 100 1": "set k 7 20 1",
    "add k 0 -1 1": "add k 0 -1 1",
    "replace k 0 2592000 1": "replace k 0 20 1",
    [`cas k 0 ${NOW_S + 5} 1 99`]: `cas k 0 ${NOW_S + 5} 1 99`,
    [`cas k 0 ${NOW_S + 500} 1 99`]: "cas k 0 20 1 99",
    "touch k 0": "touch k 20",
    "gat 0 k l": "gat 20 k l",
    "gats 3 k": "gats 3 k",
    "ms k 1": "ms k 1 T20",
    "ms k 1 F5 T0 c": "ms k 1 F5 T20 c",
    "ms T1 1 T9": "ms T1 1 T9",
    "mg k v T90 N0": "mg k v T20 N20",
    "mg T99 v": "mg T99 v",
    "ma k N0 J5 D2": "ma k N20 J5 D2",
    "incr k 5": "incr k 5",
    "append k 0 0 1": "append k 0 0 1",
    "delete k": "delete k",
    "md k q T5": "md k q T5",
  };
  for (const [line, wanted] of Object.entries(cases)) {
    expect([line, capped(line, "x\r\n")]).toEqual([line, `${wanted}\r\nx\r\n`]);
  }
});

function binary(opcode: number, extras: readonly number[]): Buffer {
  const request = Buffer.alloc(24 + extras.length * 4 + 1, "k");
  request.fill(0, 0, 24);
  request.set([0x80, opcode, 0, 1, extras.length * 4]);
  for (const [i, value] of extras.entries()) request.writeUInt32BE(value, 24 + 4 * i);
  return request;
}

test("binary: the same, quiet or not", () => {
  const extrasOf = (opcode: number, extras: readonly number[]): number[] => {
    const { request } = capper.cap(binary(opcode, extras));
    return extras.map((_, i) => request.readUInt32BE(24 + 4 * i));
  };
  expect(extrasOf(0x01, [9, 0])).toEqual([9, 20]);
  expect(extrasOf(0x11, [0xffff_ffff, 3])).toEqual([0xffff_ffff, 3]);
  expect(extrasOf(0x1c, [100])).toEqual([20]);
  expect(extrasOf(0x1d, [NOW_S + 100])).toEqual([20]);
  expect(extrasOf(0x05, [0, 1, 0, 0, 0])).toEqual([0, 1, 0, 0, 20]);
  expect(extrasOf(0x05, [0, 1, 0, 0, 0xffff_ffff])).toEqual([0, 1, 0, 0, 0xffff_ffff]);
  expect(extrasOf(0x04, [])).toEqual([]);
});
