/** What the processes are given of the machine: cores and open files, and what they are called. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { allowedCores } from "../../src/os/affinity.ts";
import {
  childrenOf,
  cleanUp,
  connectClient,
  type EchoProxy,
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

function start(port: number, lines: string[]): Promise<EchoProxy> {
  return launchReady(["-c", writeConfig(makeDirectory(), [`127.0.0.1:${port}`], lines)]);
}

/** "0" or "0-3", as the kernel has it. */
function coresOf(pid: number, thread: number): string {
  const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
  return /^Cpus_allowed_list:\s+(.*)$/m.exec(status)?.[1] ?? "";
}

function helpersOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .filter((thread) => thread !== pid);
}

test("affinity: each worker's event loop has its core, and helper threads are free", async () => {
  const allowed = allowedCores();
  const all = coresOf(process.pid, process.pid);
  const cores = [allowed.at(-1)!, allowed[0]!];
  const proxy = await start(freePort(), ["workers: 3", `affinity: [${cores.join(", ")}]`]);
  const workers = proxy.workers();
  for (const slot of [0, 1, 2]) {
    const pid = workers.get(slot)!;
    expect(coresOf(pid, pid)).toBe(`${cores[slot % 2]}`);
    expect(helpersOf(pid).map((thread) => coresOf(pid, thread))).toContain(all);
  }
  expect(coresOf(proxy.pid, proxy.pid)).toBe(all);
});

test("affinity: auto takes the usable cores in turn, off leaves them alone", async () => {
  const allowed = allowedCores();
  const auto = await start(freePort(), [`workers: ${allowed.length + 1}`, "affinity: auto"]);
  for (const [slot, pid] of auto.workers()) {
    expect(coresOf(pid, pid)).toBe(`${allowed[slot % allowed.length]}`);
  }
  const off = await start(freePort(), ["workers: 1"]);
  const pid = off.workers().get(0)!;
  expect(coresOf(pid, pid)).toBe(coresOf(process.pid, process.pid));
});

test("affinity: a core that does not exist is logged, and the worker serves", async () => {
  const port = freePort();
  const proxy = await start(port, ["workers: 1", "affinity: 8191"]);
  expect(proxy.log()).toMatch(/warn worker\/0 cannot be pinned to a core: .*EINVAL.* core=8191/);
  const client = await connectClient(port);
  expect((await client.ask("x")).text).toBe("x");
  client.close();
});

test("rlimit_nofile: raised for all processes, or the log says how far", async () => {
  const file = writeConfig(
    makeDirectory(),
    [`127.0.0.1:${freePort()}`],
    ["workers: 1", "rlimit_nofile: 3000"],
  );
  const proxy = launch(["-c", file], ["prlimit", "--nofile=500:2000"]);
  await proxy.logged(/ supervisor ready /);
  const [worker = Number.NaN] = proxy.workers().values();
  const limit = /^Max open files\s+(\d+)\s+(\d+)/m.exec(
    readFileSync(`/proc/${worker}/limits`, "latin1"),
  );
  if (mayRaise()) {
    expect(limit?.[1]).toBe("3000");
    expect(proxy.log()).not.toContain("cannot raise");
  } else {
    expect(limit?.[1]).toBe("2000");
    expect(proxy.log()).toContain("cannot raise the limit of open files wanted=3000 limit=2000");
  }
});

test("rlimit_nofile: without the privilege it goes as far as the hard limit, and says so", async () => {
  const file = writeConfig(
    makeDirectory(),
    [`127.0.0.1:${freePort()}`],
    ["workers: 1", "rlimit_nofile: 3000"],
  );
  const proxy = launch(
    ["-c", file],
    process.geteuid?.() === 0
      ? [
          "prlimit",
          "--nofile=500:2000",
          "setpriv",
          "--bounding-set=-sys_resource",
          "--inh-caps=-sys_resource",
        ]
      : ["prlimit", "--nofile=500:2000"],
  );
  await proxy.logged(/ supervisor ready /);
  expect(proxy.log()).toContain("cannot raise the limit of open files wanted=3000 limit=2000");
});

test("ps and top show which process is which", async () => {
  const proxy = await launchReady([
    ...["-c", writeConfig(makeDirectory(), [`127.0.0.1:${freePort()}`]), "--workers", "2"],
    ...["--accept", "dispatch", "-a", "127.0.0.1", "-s", `${freePort()}`],
  ]);
  const names = ["proxy acceptor", "proxy admin", "proxy worker 0", "proxy worker 1"];
  const found = (): string[] =>
    childrenOf(proxy.pid)
      .map(({ name }) => name)
      .sort();
  await until("all have their names", () => found().join() === names.join());
  const titles = childrenOf(proxy.pid).map(
    ({ pid }) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0],
  );
  expect(titles.sort()).toEqual([
    "proxy: acceptor",
    "proxy: admin",
    "proxy: worker 0",
    "proxy: worker 1",
  ]);
  expect(readFileSync(`/proc/${proxy.pid}/comm`, "utf8")).toBe("proxy\n");
});

/** Whether this process has CAP_SYS_RESOURCE, which is number 24; root in a container may not. */
function mayRaise(): boolean {
  const mask = /^CapEff:\s+([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
  return ((BigInt(`0x${mask ?? "0"}`) >> 24n) & 1n) === 1n;
}
