/** `proxy upgrade` to what is no better proxy: nothing changes, and the reason is told. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/echo-proxy.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { clientOf, start, stopAll, variant } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

/** An ELF header of this length, and of a machine that this one is not. */
function foreignProgram(): Buffer {
  const head = Buffer.alloc(4096);
  head.write("\x7fELF\x02\x01\x01", "latin1");
  head.writeUInt16LE(process.arch === "x64" ? 183 : 62, 18);
  return head;
}

test("what is no better proxy is refused with the reason, and traffic notices nothing", async () => {
  const rig = await start();
  const { proxy, port, directory } = rig;
  const workers = proxy.workerPids().sort();
  const load = await SteadyLoad.start({
    endpoint: { host: "127.0.0.1", port },
    pipelining: 5,
    idle: 20,
    halfway: 1,
  });
  const file = (name: string, content: string | Buffer): string => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o755 });
    return path;
  };
  const about = JSON.stringify({
    name: "proxy",
    version: "9",
    commit: "x",
    controlProtocol: 99,
    parcelFormats: [1],
    stateFormats: [1],
  });
  const problems = `{"problems":["proxy.yaml:1:1: no longer known"]}`;
  const asleep = file("asleep", "#!/bin/sh\n");
  chmodSync(asleep, 0o644);
  const cases: (readonly [path: string, reason: string])[] = [
    [file("text", "hello\n"), "is not an executable of this machine"],
    [file("foreign", foreignProgram()), "it is for "],
    [file("short", "\x7fELF"), "is cut short"],
    [join(directory, "missing"), "does not exist"],
    [directory, "is a directory"],
    ["/etc/passwd", "/etc/passwd is not an executable of this machine"],
    [asleep, `is not executable: chmod +x ${asleep}`],
    [
      variant(directory, "speaks", { __about: "echo 'proxy: unknown command' >&2; exit 2" }),
      'without saying that it is proxy; it printed: "proxy: unknown command"',
    ],
    ["/bin/true", "exits at once with exit code 0"],
    ["/bin/echo", "is not proxy"],
    [variant(directory, "exits", { __about: "exit 7" }), "exits at once with exit code 7"],
    [
      variant(directory, "alien", { __about: `echo '${about}'; exit` }),
      "speak another protocol (99",
    ],
    [variant(directory, "picky", { __config: `echo '${problems}'; exit` }), "no longer known"],
    [
      variant(directory, "mute", { __config: "exit 1" }),
      "cannot read the configuration: it ended with exit code 1",
    ],
    [
      // Late enough to have been a worker for a while, had it ever been ready.
      variant(directory, "crashes", { __worker: "sleep 1.1; exit 3" }),
      "died 5 times in a row right after its start",
    ],
  ];
  for (const [path, reason] of cases) {
    const { code, errors } = await commandOf(proxy, "upgrade", path);
    expect(errors).toContain(reason);
    expect(code).toBe(1);
    // What was started of it is just ending.
    await until("only the old ones are there", () => proxy.workerPids().length === workers.length);
    expect(proxy.workerPids().sort()).toEqual(workers);
  }
  await load.stop();
  expect(load.errors).toEqual([]);
  const { lastChange, processes } = await statusOf(proxy);
  expect(lastChange).toMatchObject({ what: "upgrade", ok: false });
  expect(processes.map(({ crew }) => crew)).toEqual([1, 1, 1]);
});

test("workers that never become ready are given up, and the old ones serve on", async () => {
  const rig = await start();
  const { proxy, directory } = rig;
  const client = await clientOf(rig);
  const workers = proxy.workerPids().sort();
  const sleepy = variant(directory, "sleepy", { __worker: "exec sleep 120" });
  const { code, errors } = await commandOf(proxy, "upgrade", sleepy);
  expect(errors).toContain("was not ready within 15000 ms");
  expect(code).toBe(1);
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  await until("they are gone", () => proxy.workerPids().length === workers.length);
  expect(proxy.workerPids().sort()).toEqual(workers);
});

test("a supervisor that cannot be replaced goes on with the new workers, and says so", async () => {
  const rig = await start();
  const { proxy, directory } = rig;
  const client = await clientOf(rig);
  const other = variant(directory, "forgetful", {
    __rehearse: 'echo "it has no memory" >&2; exit 1',
  });
  const { code, errors } = await commandOf(proxy, "upgrade", other);
  expect(code).toBe(1);
  expect(errors).toContain("the workers are ");
  expect(errors).toContain("it has no memory");
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  const [victim = Number.NaN] = proxy.workerPids();
  process.kill(victim, "SIGKILL");
  await until(
    "it is replaced",
    () => proxy.workerPids().length === 2 && !proxy.workerPids().includes(victim),
  );
  await mustRun(proxy, "upgrade", variant(directory, "better"));
  expect((await statusOf(proxy)).crew).toBe(3);
});

test("one change at a time", async () => {
  const { proxy, directory } = await start();
  const mayGoOn = join(directory, "go-on");
  const slow = variant(directory, "slow", {
    __about: `until [ -e ${mayGoOn} ]; do sleep 0.05; done`,
  });
  const first = commandOf(proxy, "upgrade", slow);
  while ((await statusOf(proxy)).activity === null) {}
  const { code, errors } = await commandOf(proxy, "reload");
  expect(errors).toContain("busy: an upgrade is going on");
  expect(code).toBe(1);
  writeFileSync(mayGoOn, "");
  expect((await first).code).toBe(0);
});
