import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type ChildProcess, spawnChild } from "../../../../src/supervisor/process/child-process.ts";

const VARIABLE = "BUN_GC_TIMER_DISABLE";
const before = process.env[VARIABLE];

afterEach(() => {
  if (before === undefined) delete process.env[VARIABLE];
  else process.env[VARIABLE] = before;
});

async function environmentOfChild(): Promise<readonly string[]> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const child: ChildProcess<never> = spawnChild<never, never>({
    ...{ command: ["sh", "-c", "sleep 60"], role: "role", title: "sh", fds: [], isSilent: true },
    onMessage: () => {},
    onExit: () => resolve(),
  });
  // Empty for the moment in which the process becomes its program.
  let text = "";
  while (text === "") {
    text = readFileSync(`/proc/${child.pid}/environ`, "latin1");
    await Promise.resolve();
  }
  child.kill("SIGKILL");
  await promise;
  return text.split("\0");
}

test("children collect garbage when there is some, not by Bun's timer", async () => {
  delete process.env[VARIABLE];
  const variables = await environmentOfChild();
  expect(variables).toContain(`${VARIABLE}=1`);
  // Everything else is inherited.
  expect(variables).toContain(`PATH=${process.env["PATH"]}`);
});

test("what the environment says about it has precedence", async () => {
  process.env[VARIABLE] = "0";
  expect(await environmentOfChild()).toContain(`${VARIABLE}=0`);
});
