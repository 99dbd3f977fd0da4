import { expect, test } from "bun:test";
import { affinityCores, cpuQuota, usableCores } from "../../../src/os/usable-cores.ts";

type Files = Record<string, string>;

const V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
const V1_MOUNT =
  "31 23 0:27 / /sys/fs/cgroup/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct";

function quotaOf(files: Files): number | null {
  return cpuQuota((path) => files[path] ?? null);
}

test.each<[string, Files, number | null]>([
  ["no /proc", {}, null],
  [
    "v2 without a limit",
    {
      "/proc/self/cgroup": "0::/a\n",
      "/proc/self/mountinfo": V2_MOUNT,
      "/sys/fs/cgroup/a/cpu.max": "max 100000\n",
    },
    null,
  ],
  [
    "v2: the smallest on the way up counts",
    {
      "/proc/self/cgroup": "0::/a/b\n",
      "/proc/self/mountinfo": V2_MOUNT,
      "/sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
      "/sys/fs/cgroup/a/cpu.max": "150000 100000\n",
    },
    1.5,
  ],
  [
    "v2 in a container whose mount shows its own group only",
    {
      "/proc/self/cgroup": "0::/\n",
      "/proc/self/mountinfo": V2_MOUNT.replace(" / /sys", " /../.. /sys"),
      "/sys/fs/cgroup/cpu.max": "200000 100000\n",
    },
    2,
  ],
  [
    "v1",
    {
      "/proc/self/cgroup": "4:cpu,cpuacct:/jobs/x\n1:name=systemd:/\n",
      "/proc/self/mountinfo": V1_MOUNT,
      "/sys/fs/cgroup/cpu/jobs/x/cpu.cfs_quota_us": "300000\n",
      "/sys/fs/cgroup/cpu/jobs/x/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    },
    3,
  ],
  [
    "v1 where the mount's root is the container's group",
    {
      "/proc/self/cgroup": "4:cpu,cpuacct:/docker/1/sub\n",
      "/proc/self/mountinfo": V1_MOUNT.replace(" / /sys", " /docker/1 /sys"),
      "/sys/fs/cgroup/cpu/sub/cpu.cfs_quota_us": "50000\n",
      "/sys/fs/cgroup/cpu/sub/cpu.cfs_period_us": "100000\n",
    },
    0.5,
  ],
])("quota: %s", (_name, files, expected) => {
  expect(quotaOf(files)).toBe(expected);
});

test("affinity is what taskset left", async () => {
  const module = JSON.stringify(`${import.meta.dir}/../../../src/os/usable-cores.ts`);
  const script = `import { affinityCores } from ${module}; console.log(affinityCores());`;
  const child = Bun.spawn(["taskset", "-c", "0", process.execPath, "-e", script], {
    stdout: "pipe",
  });
  expect((await child.stdout.text()).trim()).toBe("1");
});

test("at least one core is usable, and no more than the mask has", () => {
  expect(usableCores()).toBeGreaterThanOrEqual(1);
  expect(usableCores()).toBeLessThanOrEqual(affinityCores());
});
