import { expect, test } from "bun:test";

const SIGNALS = JSON.stringify(`${import.meta.dir}/../../../src/os/signal-mask.ts`);
const PROCESS = JSON.stringify(`${import.meta.dir}/../../../src/os/process.ts`);

/** A script that is run by `bun -e`, in place of the process it is called from. */
function then(script: string): string {
  return `executeInPlace(process.execPath, ["bun", "-e", ${JSON.stringify(script)}], process.env);`;
}

test("a signal that comes while it is held is heard by the program that releases it", async () => {
  const imports = `import { holdSignals, releaseSignals } from ${SIGNALS};
    import { executeInPlace } from ${PROCESS};`;
  const last = `${imports}
    process.on("SIGHUP", () => { console.log("heard by the last"); process.exit(); });
    setInterval(() => {}, 1000);
    releaseSignals(["SIGHUP"]);`;
  // All threads of the one in the middle have inherited the mask.
  const middle = `${imports}
    process.on("SIGHUP", () => console.log("heard in the middle"));
    process.kill(process.pid, "SIGHUP");
    await Bun.sleep(20);
    ${then(last)}`;
  const first = `${imports} holdSignals(["SIGHUP"]); ${then(middle)}`;
  const child = Bun.spawn([process.execPath, "-e", first], { stdout: "pipe", timeout: 20_000 });
  expect(await child.stdout.text()).toBe("heard by the last\n");
});
