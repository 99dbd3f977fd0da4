/** The processes of a benchmark run. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const CHILDREN = join(import.meta.dir, "../../../bench/children.ts");

test("once a run is being ended nothing new is started, so that no process is left", async () => {
  const program = `
    import { endAll, runToEnd, startChild, startTalker } from ${JSON.stringify(CHILDREN)};
    const child = startChild("sleeper", ["sleep", "60"]);
    await endAll();
    const results = [child.hasExited()];
    for (const start of [
      async () => startChild("late", ["true"]),
      async () => startTalker(["cat"]),
      () => runToEnd(["true"], 5000),
    ]) {
      results.push(await start().then(() => "started", () => "refused"));
    }
    console.log(results.join(" "));
  `;
  const spawned = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  expect(await spawned.stdout.text()).toBe("true refused refused refused\n");
});
