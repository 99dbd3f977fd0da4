/** In a process of its own: a thread that is pinned here would stay so for the other tests. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { allowedCores } from "../../../src/os/affinity.ts";

const MODULE = join(import.meta.dir, "../../../src/os/affinity.ts");

const SCRIPT = `
  import { readdirSync, readFileSync } from "node:fs";
  import { allowedCores, freeHelperThreads, pinThisThread } from ${JSON.stringify(MODULE)};
  const coresOf = (thread) => /^Cpus_allowed_list:\\s+(.*)$/m.exec(readFileSync("/proc/self/task/" + thread + "/status", "latin1"))[1];
  const threads = () => readdirSync("/proc/self/task").map(Number).filter((thread) => thread !== process.pid);
  const all = coresOf(process.pid);
  const allowed = allowedCores();
  const old = new Set(threads());
  pinThisThread(allowed.at(-1));
  const worker = new Worker(URL.createObjectURL(new Blob(["setInterval(() => {}, 1000); postMessage(1)"])));
  await new Promise((resolve) => { worker.onmessage = resolve; });
  const started = threads().filter((thread) => !old.has(thread));
  const before = started.map(coresOf);
  freeHelperThreads(allowed);
  const after = started.map(coresOf);
  console.log(JSON.stringify({ all, own: coresOf(process.pid), before, after }));
  process.exit(0);
`;

test("the event loop's thread is bound, threads that it starts can be freed", () => {
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", SCRIPT], { stderr: "pipe" });
  expect(stderr.toString()).toBe("");
  const { all, own, before, after } = JSON.parse(stdout.toString());
  const last = `${allowedCores().at(-1)}`;
  expect(own).toBe(last);
  expect(before).toContain(last);
  expect(new Set(after)).toEqual(new Set([all]));
});
