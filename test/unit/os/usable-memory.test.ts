import { expect, test } from "bun:test";
import { usableMemory } from "../../../src/os/usable-memory.ts";

const GIB = 1024 ** 3;
const HOST = { "/proc/meminfo": "MemTotal:       8388608 kB\nMemFree: 1 kB\n" };
const V2 = {
  "/proc/self/cgroup": "0::/a/b\n",
  "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
};
const V1 = {
  "/proc/self/cgroup": "5:memory:/a\n",
  "/proc/self/mountinfo": "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
};

test.each<[string, Record<string, string>, number]>([
  ["no /proc", {}, Number.POSITIVE_INFINITY],
  ["the host's, without cgroups", HOST, 8 * GIB],
  ["v2 without a limit", { ...HOST, ...V2, "/sys/fs/cgroup/a/b/memory.max": "max\n" }, 8 * GIB],
  [
    "v2: the smallest on the way up",
    {
      ...HOST,
      ...V2,
      "/sys/fs/cgroup/a/b/memory.max": `${4 * GIB}\n`,
      "/sys/fs/cgroup/a/memory.max": `${2 * GIB}\n`,
    },
    2 * GIB,
  ],
  [
    "v1 without a limit",
    { ...HOST, ...V1, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n" },
    8 * GIB,
  ],
  [
    "v1 with one",
    { ...HOST, ...V1, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": `${GIB}\n` },
    GIB,
  ],
])("%s", (_, files, bytes) => {
  expect(usableMemory((path) => files[path] ?? null)).toBe(bytes);
});

test("of this machine it is known", () => {
  expect(usableMemory()).toBeGreaterThan(0);
  expect(usableMemory()).toBeLessThan(Number.POSITIVE_INFINITY);
});
