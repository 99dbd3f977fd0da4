import { afterEach, expect, test } from "bun:test";
import { writeSync } from "node:fs";
import { History, readHistory, saveHistory } from "../../../../src/admin/overview/history.ts";
import type { Point } from "../../../../src/api/overview.ts";
import { HISTORY_BYTES_MAX, OVERVIEW_POINTS_MAX } from "../../../../src/base/page-limits.ts";
import { closeFd } from "../../../../src/os/fd.ts";
import { createSharedMemory } from "../../../../src/os/shared-memory.ts";

const fds: number[] = [];
afterEach(() => {
  for (const fd of fds.splice(0)) closeFd(fd);
});

function memory(): number {
  const fd = createSharedMemory("test-history", HISTORY_BYTES_MAX);
  fds.push(fd);
  return fd;
}

function point(atMs: number, name = "main"): Point {
  return { atMs, all: [1, 0, 2, 3, 4, 5, 6, 7], pools: { [name]: [1] }, servers: {} };
}

function timesIn(points: readonly Point[]): number[] {
  return points.map(({ atMs }) => atMs);
}

test("the oldest points go when there are too many", () => {
  const history = new History();
  for (let n = 1; n <= OVERVIEW_POINTS_MAX + 7; n++) history.add(point(n));
  expect(history.points).toHaveLength(OVERVIEW_POINTS_MAX);
  expect(history.points[0]?.atMs).toBe(8);
  expect(timesIn(history.last(2))).toEqual([OVERVIEW_POINTS_MAX + 6, OVERVIEW_POINTS_MAX + 7]);
});

test("after the clock was set back, points ascend again", () => {
  const history = new History([point(1000), point(2000), point(3000)]);
  history.add(point(1500));
  expect(timesIn(history.points)).toEqual([1000, 1500]);
});

test("what one process saves another reads, whatever names pools have", () => {
  const fd = memory();
  const points = [point(1), point(2, '__proto__"\n</script>'), point(3, "käse")];
  saveHistory(fd, points);
  expect(readHistory(fd)).toEqual(points);
  saveHistory(fd, points.toSpliced(0, 2));
  expect(timesIn(readHistory(fd))).toEqual([3]);
});

test("memory that holds nothing, or half of something, gives no points", () => {
  const fd = memory();
  expect(readHistory(fd)).toEqual([]);
  saveHistory(fd, [point(1), point(2)]);
  writeSync(fd, "9", 80);
  expect(readHistory(fd)).toEqual([]);
  writeSync(fd, "1 99999999999 abc", 0);
  expect(readHistory(fd)).toEqual([]);
  writeSync(fd, "1 -5 abc         ", 0);
  expect(readHistory(fd)).toEqual([]);
});

test("when all are too long for the memory, the latest are saved", () => {
  const fd = memory();
  const long = "x".repeat(HISTORY_BYTES_MAX / 8);
  const points = Array.from({ length: 20 }, (_, index) => point(index + 1, `${long}${index}`));
  saveHistory(fd, points);
  const read = readHistory(fd);
  expect(read.length).toBeGreaterThan(0);
  expect(read.at(-1)).toEqual(points.at(-1)!);
});
