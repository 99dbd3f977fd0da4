import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import {
  childrenOf,
  cleanUp,
  connectClient,
  echoCommand,
  isAlive,
  launch,
  launchReady,
  makeDirectory,
  until,
  writeConfig,
} from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(cleanUp);

test.each(["SIGTERM", "SIGINT"] as const)("%s stops at once and leaves nothing", async (signal) => {
  const directory = makeDirectory();
  const port = freePort();
  const path = join(directory, "s");
  const pidFile = join(directory, "pid");
  const file = writeConfig(directory, [`127.0.0.1:${port}`, path]);
  const proxy = await launchReady(["-c", file, "--workers", "2", "-p", pidFile]);
  expect(readFileSync(pidFile, "utf8")).toBe(`${proxy.pid}\n`);
  const children = childrenOf(proxy.pid).map((child) => child.pid);
  const client = await connectClient(port);
  await client.ask("x");
  proxy.kill(signal);
  await client.closed;
  expect(await proxy.exited).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
  expect(existsSync(path)).toBe(false);
  expect(existsSync(pidFile)).toBe(false);
});

test("QUIT accepts nobody any more, lets clients finish and then stops", async () => {
  const directory = makeDirectory();
  const port = freePort();
  const path = join(directory, "s");
  const file = writeConfig(directory, [`127.0.0.1:${port}`, path]);
  const proxy = await launchReady(["-c", file, "--workers", "1"]);
  const client = await connectClient(port);
  await client.ask("before");
  proxy.kill("SIGQUIT");
  await proxy.logged(/draining signal=SIGQUIT/);
  await until("connections are refused", () => !existsSync(path));
  await expect(connectClient(path)).rejects.toThrow("ENOENT");
  expect((await client.ask("during")).text).toBe("during");
  await refusedSoon(port);
  client.close();
  expect(await proxy.exited).toBe(0);
  expect(proxy.log()).toContain("drained child=worker/0");
  expect(proxy.log()).toContain("closed=0");
});

/** The worker closes its copy of the socket a moment after the supervisor. */
async function refusedSoon(port: number): Promise<void> {
  while (true) {
    try {
      (await connectClient(port)).close();
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe("ECONNREFUSED");
      return;
    }
  }
}

test("a drain ends at its time-out with the clients that are left", async () => {
  const port = freePort();
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${port}`], ["drain_timeout: 50ms"]);
  const proxy = await launchReady(["-c", file, "--workers", "1"]);
  const client = await connectClient(port);
  await client.ask("x");
  proxy.kill("SIGQUIT");
  await client.closed;
  expect(await proxy.exited).toBe(0);
  expect(proxy.log()).toContain("closed=1");
});

test("TERM during a drain stops at once", async () => {
  const port = freePort();
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${port}`], ["drain_timeout: 1h"]);
  const proxy = await launchReady(["-c", file, "--workers", "1"]);
  const client = await connectClient(port);
  await client.ask("x");
  proxy.kill("SIGQUIT");
  await proxy.logged(/draining/);
  proxy.kill("SIGTERM");
  await client.closed;
  expect(await proxy.exited).toBe(0);
});

test("QUIT during a pause between two workers ends as well", async () => {
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${freePort()}`]);
  const proxy = await launchReady(["-c", file, "--workers", "1"]);
  for (let death = 1; proxy.log().match(/replacedInMs=[1-9]/) === null; death += 1) {
    process.kill(proxy.workers().get(0)!, "SIGKILL");
    await proxy.logged(/ died /, death);
    if (proxy.log().match(/replacedInMs=[1-9]/) !== null) break;
    await proxy.logged(/worker is ready/, death + 1);
  }
  proxy.kill("SIGQUIT");
  expect(await proxy.exited).toBe(0);
});

test.each(["SIGUSR1", "SIGHUP"] as const)(
  "%s opens the log file again in all processes",
  async (signal) => {
    const directory = makeDirectory();
    const log = join(directory, "log");
    const file = writeConfig(directory, [`127.0.0.1:${freePort()}`]);
    const proxy = launch(["-c", file, "--workers", "1", "-o", log]);
    const text = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
    await until("ready", () => text().includes("supervisor ready"));
    renameSync(log, `${log}.1`);
    proxy.kill(signal);
    await until("a new file", () => text().includes("opened again"));
    expect(readFileSync(`${log}.1`, "utf8")).not.toContain("opened again");
    const worker = proxy.workers().get(0)!;
    const isOldOpen = (): boolean => openFiles(worker).some((path) => path === `${log}.1`);
    await until("the worker has the new file", () => !isOldOpen());
    expect(openFiles(worker)).toContain(log);
    expect(proxy.log()).toBe("");
  },
);

function openFiles(pid: number): string[] {
  const { stdout } = Bun.spawnSync(["find", `/proc/${pid}/fd`, "-printf", "%l\\n"]);
  return stdout.toString().split("\n");
}

test("TTIN and TTOU shift the log level, also for workers that come later", async () => {
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${freePort()}`]);
  const proxy = await launchReady(["-c", file, "--workers", "1"]);
  proxy.kill("SIGTTIN");
  await proxy.logged(/log level changed level=debug/);
  process.kill(proxy.workers().get(0)!, "SIGKILL");
  await proxy.logged(/debug supervisor started/);
  proxy.kill("SIGTTOU");
  await proxy.logged(/log level changed level=info/);
});

test("signals that are meant for the supervisor do not hurt a worker", async () => {
  const port = freePort();
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${port}`]);
  const proxy = await launchReady(["-c", file, "--workers", "1"]);
  const pid = proxy.workers().get(0)!;
  for (const signal of ["SIGUSR2", "SIGINT", "SIGHUP", "SIGWINCH"] as const) {
    process.kill(pid, signal);
  }
  const client = await connectClient(port);
  expect((await client.ask("x")).pid).toBe(pid);
  client.close();
  expect(proxy.log()).not.toContain("died");
});

test("USR2 has a new supervisor and new workers in the same process; HUP does nothing without a change", async () => {
  const port = freePort();
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${port}`]);
  const proxy = await launchReady(["-c", file, "--workers", "1"]);
  const pid = proxy.workers().get(0)!;
  proxy.kill("SIGHUP");
  await proxy.logged(/log files were opened again signal=SIGHUP/);
  expect(proxy.workers().get(0)).toBe(pid);
  proxy.kill("SIGUSR2");
  await proxy.logged(/supervisor ready after an upgrade/);
  const client = await connectClient(port);
  expect((await client.ask("x")).pid).not.toBe(pid);
  client.close();
  proxy.kill("SIGTERM");
  expect(await proxy.exited).toBe(0);
});

test("a daemon is started once it serves, and keeps no terminal", async () => {
  const directory = makeDirectory();
  const port = freePort();
  const pidFile = join(directory, "pid");
  const file = writeConfig(directory, [`127.0.0.1:${port}`]);
  const args = ["-dc", file, "-p", pidFile, "-o", join(directory, "log"), "--workers", "1"];
  const launcher = Bun.spawn(echoCommand(args), { stdio: ["ignore", "pipe", "pipe"] });
  try {
    // Ends only when nobody holds the pipe any more: neither the daemon nor its worker.
    const [output] = await Promise.all([launcher.stdout.text(), launcher.stderr.text()]);
    expect(await launcher.exited).toBe(0);
    const pid = pidIn(pidFile);
    expect(output).toContain(`pid ${pid}`);
    const client = await connectClient(port);
    expect((await client.ask("x")).text).toBe("x");
    client.close();
    expect(sessionOf(pid)).toBe(pid);
    process.kill(pid, "SIGTERM");
    await until("the daemon is gone", () => !isAlive(pid));
    expect(existsSync(pidFile)).toBe(false);
  } finally {
    launcher.kill("SIGKILL");
    // It is no child of ours: when something above failed, only its file says who it is.
    if (existsSync(pidFile)) process.kill(pidIn(pidFile), "SIGKILL");
  }
});

function pidIn(file: string): number {
  return Number(readFileSync(file, "utf8"));
}

/** Sixth field of /proc/PID/stat; the second one is in parentheses and may hold blanks. */
function sessionOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.substring(stat.lastIndexOf(")")).split(" ")[4]);
}

test("a daemon that cannot start says why, and its launcher fails", async () => {
  const port = freePort();
  const busy = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${port}`]);
  const launcher = Bun.spawn(echoCommand(["-d", "-c", file]), {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [errors, code] = await Promise.all([launcher.stderr.text(), launcher.exited]);
  expect(errors).toContain(`address 127.0.0.1:${port} is already in use`);
  expect(code).toBe(1);
  busy.stop();
});
