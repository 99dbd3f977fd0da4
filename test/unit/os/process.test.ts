import { expect, test } from "bun:test";
import { decodeWaitStatus, processExists, reapChild, signalName } from "../../../src/os/process.ts";

const MODULE = JSON.stringify(`${import.meta.dir}/../../../src/os/process.ts`);

function run(script: string): Promise<string> {
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  return child.stdout.text();
}

test("a wait status is split into exit code and signal", () => {
  expect(decodeWaitStatus(0x0300)).toEqual({ exitCode: 3, signal: null });
  expect(decodeWaitStatus(9)).toEqual({ exitCode: null, signal: "SIGKILL" });
  expect(decodeWaitStatus(0x80 | 11)).toEqual({ exitCode: null, signal: "SIGSEGV" });
  expect(signalName(200)).toBe("signal 200");
});

test("the short name of a process is what /proc shows", async () => {
  const script = `import { setProcessName } from ${MODULE}; setProcessName("proxy: name that is long");
    console.log(require("fs").readFileSync("/proc/self/comm", "utf8"));`;
  expect((await run(script)).trim()).toBe("proxy: name tha");
});

test("a process that is gone does not exist", async () => {
  const child = Bun.spawn(["true"]);
  await child.exited;
  expect(processExists(child.pid)).toBe(false);
  expect(processExists(process.pid)).toBe(true);
});

test("a process replaces its program in place: same pid, chosen environment, inheritable descriptors", async () => {
  const fdModule = JSON.stringify(`${import.meta.dir}/../../../src/os/fd.ts`);
  const script = `import { executeInPlace } from ${MODULE}; import { setInheritable } from ${fdModule};
    const fs = require("fs");
    const kept = fs.openSync("/dev/null"), lost = fs.openSync("/dev/null");
    setInheritable(kept, true); setInheritable(lost, false);
    executeInPlace("/bin/sh", ["sh", "-c", "echo $$ $NAME; ls /proc/$$/fd | tr '\\\\n' ' '; echo; echo " + process.pid + " " + kept + " " + lost], { NAME: "value", PATH: "/usr/bin:/bin", GONE: undefined });`;
  const [first, fds, last] = (await run(script)).trim().split("\n");
  const [pid, kept, lost] = last!.split(" ");
  expect(first).toBe(`${pid} value`);
  expect(fds!.split(" ")).toContain(kept!);
  expect(fds!.split(" ")).not.toContain(lost!);
});

test("a failed replacement throws with the reason", async () => {
  const script = `import { executeInPlace } from ${MODULE};
    try { executeInPlace("/nowhere", ["x"], {}); } catch (error) { console.log(error.code); }`;
  expect((await run(script)).trim()).toBe("ENOENT");
});

test("a child that is not ours cannot be reaped", () => {
  expect(() => reapChild(1)).toThrow("ECHILD");
});

test("a parent's death is signalled", async () => {
  // The middle process dies; the innermost one says so through the pipe that it inherited.
  const script = `import { setParentDeathSignal } from ${MODULE};
    import { writeSync } from "fs";
    process.on("SIGUSR1", () => { writeSync(1, "orphan\\n"); process.exit(); });
    setParentDeathSignal(10); writeSync(3, "armed"); setInterval(() => {}, 1000);`;
  const middle = `import { spawn } from "child_process";
    const child = spawn(process.execPath, ["-e", ${JSON.stringify(script)}], { stdio: ["ignore", "inherit", "inherit", "pipe"] });
    child.stdio[3].on("data", () => process.kill(process.pid, "SIGKILL"));`;
  expect((await run(middle)).trim()).toBe("orphan");
});
