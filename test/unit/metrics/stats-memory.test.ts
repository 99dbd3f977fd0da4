import { afterAll, expect, test } from "bun:test";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStatsLayout, slotRegion, statsByteLength } from "../../../src/metrics/layout.ts";
import { mapStatsMemory } from "../../../src/metrics/stats-memory.ts";
import { statsConfig } from "./stats-config.ts";

const directory = mkdtempSync(join(tmpdir(), "proxy-test-stats-memory-"));
const layout = createStatsLayout(statsConfig({ one: ["x"] }), 2);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function memoryFile(name: string, bytes: number): number {
  const fd = openSync(join(directory, name), "w+");
  ftruncateSync(fd, bytes);
  return fd;
}

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
