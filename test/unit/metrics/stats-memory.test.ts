import { afterAll, expect, test } from "bun:test";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStatsLayout, slotRegion, statsByteLength } from "../../../src/metrics/layout.ts";
import { mapStatsMemory, readStatsMemory, StatsReader } from "../../../src/metrics/stats-memory.ts";
import { statsConfig } from "./stats-config.ts";

const directory = mkdtempSync(join(tmpdir(), "proxy-test-stats-memory-"));
const layout = createStatsLayout(statsConfig({ one: ["x"] }), 2);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function memoryFile(name: string, bytes: number): number {
  const fd = openSync(join(directory, name), "w+");
  ftruncateSync(fd, bytes);
  return fd;
}

test("what is read again and again is what is there, also when there is less of it", () => {
  const fd = memoryFile("again", statsByteLength(layout));
  const memory = mapStatsMemory(fd, layout);
  const reader = new StatsReader(fd);
  slotRegion(memory, layout, 1)[3] = 7;
  expect(reader.read(layout)).toEqual(readStatsMemory(fd, layout));
  slotRegion(memory, layout, 1)[3] = 8;
  expect(slotRegion(reader.read(layout), layout, 1)[3]).toBe(8);
  const larger = createStatsLayout(statsConfig({ one: ["x", "y"], two: ["z"] }), 2);
  const other = memoryFile("larger", statsByteLength(larger));
  mapStatsMemory(other, larger).fill(9);
  const both = new StatsReader(other);
  both.read(larger);
  expect(both.read(layout)).toEqual(readStatsMemory(other, layout));
  for (const one of [fd, other]) closeSync(one);
});

test("what one process writes to its slot, another one reads, also after the writer was killed", async () => {
  const fd = memoryFile("shared", statsByteLength(layout));
  const source = new URL("../../../src/metrics/", import.meta.url).pathname;
  const writer = Bun.spawn(
    [
      process.execPath,
      "-e",
      `import { mapStatsMemory } from "${source}stats-memory.ts";
       import { slotRegion } from "${source}layout.ts";
       const layout = JSON.parse(process.argv[1]);
       slotRegion(mapStatsMemory(3, layout), layout, 1)[5] = 123456789;
       process.kill(process.pid, "SIGKILL");`,
      JSON.stringify(layout),
    ],
    { stdio: ["ignore", "inherit", "inherit", fd] },
  );
  const memory = mapStatsMemory(fd, layout);
  closeSync(fd);
  await writer.exited;
  expect(writer.signalCode).toBe("SIGKILL");
  expect(slotRegion(memory, layout, 1)[5]).toBe(123_456_789);
  expect(slotRegion(memory, layout, 0)[5]).toBe(0);
});

test("memory that is larger than the layout is mapped as far as the layout goes", () => {
  const fd = memoryFile("large", statsByteLength(layout) + 8 * 512);
  expect(mapStatsMemory(fd, layout).byteLength).toBe(statsByteLength(layout));
  closeSync(fd);
});

test("memory that is too small for the layout is refused, with both sizes", () => {
  const fd = memoryFile("small", statsByteLength(layout) - 8);
  expect(() => mapStatsMemory(fd, layout)).toThrow(
    `has ${statsByteLength(layout) - 8} bytes, the layout needs ${statsByteLength(layout)}`,
  );
  closeSync(fd);
});
