import { expect, test } from "bun:test";

const SIGNALS = JSON.stringify(`${import.meta.dir}/../../../src/os/signal-mask.ts`);
const PROCESS = JSON.stringify(`${import.meta.dir}/../../../src/os/process.ts`);

test("signals that are held wait for the program that follows", async () => {
  const script = `import { holdSignals } from ${SIGNALS};
    import { executeInPlace } from ${PROCESS};
    holdSignals(["SIGHUP", "SIGWINCH"]);
    const shell = "kill -HUP $$; echo alive; grep -E '^(SigBlk|ShdPnd)' /proc/$$/status";
    executeInPlace("/bin/sh", ["sh", "-c", shell], process.env);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", timeout: 20_000 });
  const [alive, pending, blocked] = (await child.stdout.text()).split("\n");
  expect(alive).toBe("alive");
  expect(pending).toMatch(/^ShdPnd:\s+0+1$/);
  expect(blocked).toMatch(/^SigBlk:\s+0+8000001$/);
});

test("signals that are ignored do nothing, until that is undone", async () => {
  const script = `import { ignoreSignals } from ${SIGNALS};
    process.on("SIGHUP", () => { console.log("heard"); process.exit(); });
    const heed = ignoreSignals(["SIGHUP"]);
    process.kill(process.pid, "SIGHUP");
    await Bun.sleep(20);
    console.log("now");
    heed();
    process.kill(process.pid, "SIGHUP");
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", timeout: 20_000 });
  expect(await child.stdout.text()).toBe("now\nheard\n");
});
