import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const MODULE = join(import.meta.dir, "../../../src/os/time-slice.ts");

/** In microseconds, of the main thread of a process; null: this kernel knows none of a thread's own, or does not tell. */
function sliceOf(sched: string): number | null {
  const found = /^se\.slice\s*:\s*(\d+)$/m.exec(sched);
  return found === null ? null : Number(found[1]) / 1000;
}

/** What a process says of itself, and a process that it starts then: before and after its slice was made short. */
function measured(): (number | null)[] {
  const program = `
    const { shortenTimeSlice } = await import(${JSON.stringify(MODULE)});
    const { readFileSync } = await import("node:fs");
    const own = () => readFileSync("/proc/self/sched", "latin1");
    const texts = [own()];
    shortenTimeSlice();
    texts.push(own(), Bun.spawnSync(["cat", "/proc/self/sched"]).stdout.toString());
    console.log(JSON.stringify(texts));`;
  const { stdout, exitCode } = Bun.spawnSync([process.execPath, "-e", program]);
  expect(exitCode).toBe(0);
  return (JSON.parse(stdout.toString()) as string[]).map(sliceOf);
}

test("the thread's slice is shorter than the kernel's own, and what it starts has that again", () => {
  const [before, after, child] = measured();
  const [major = 0, minor = 0] = readFileSync("/proc/sys/kernel/osrelease", "latin1")
    .split(".")
    .map(Number);
  const isKnown = before != null && (major > 6 || (major === 6 && minor >= 12));
  expect(child).toBe(before ?? null);
  // Before Linux 6.12 the call is heard, and changes nothing.
  if (isKnown) expect(after).toBe(500);
  else expect(after).toBe(before ?? null);
});
