import { expect, test } from "bun:test";

const SIGNALS = JSON.stringify(`${import.meta.dir}/../../../src/os/signal-mask.ts`);
const PROCESS = JSON.stringify(`${import.meta.dir}/../../../src/os/process.ts`);

test("signals that are held wait for the program that follows", async () => {
  const script = `import { holdSignals } from ${SIGNALS};
    import { executeInPlace } from ${PROCESS};
    holdSignals(["SIGHUP"]);
    const shell = "kill -HUP $$; echo alive; while read name value; do " +
      "case $name in ShdPnd:) echo $value;; esac; done < /proc/self/status";
    executeInPlace("/bin/sh", ["sh", "-c", shell], process.env);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", timeout: 20_000 });
  const [alive, pending] = (await child.stdout.text()).split("\n");
  expect(alive).toBe("alive");
  expect(pending).toMatch(/^0+1$/);
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
