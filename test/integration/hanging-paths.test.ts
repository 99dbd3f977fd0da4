/** FIFOs in the place of files, and executables that hang, flood or leave processes behind: the supervisor never waits. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Status } from "../../src/api/control-socket.ts";
import { isAlive, until } from "../support/echo-proxy.ts";
import { type PlainProxy, plainCommand, startPlain } from "../support/plain-proxy.ts";
import { runCommand } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { stopAll } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

/** Resident, in MiB. The flood that was read into memory was many times as much. */
const GROWTH_MIB_MAX = 64;

function fifo(path: string): string {
  expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
  return path;
}

function script(directory: string, name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/bash\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function statusOf({ configFile }: PlainProxy): Promise<Status> {
  const { output } = await plainCommand(configFile, "status", "--json");
  return (JSON.parse(output) as { readonly status: Status }).status;
}

function mebibytesOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) / 1024;
}

async function serving(lines: readonly string[] = []): Promise<PlainProxy & { directory: string }> {
  const directory = makeDirectory("hanging");
  const proxy = startPlain(directory, lines);
  expect(await proxy.serves()).toBe(true);
  return { ...proxy, directory };
}

/** It answers, and it replaces a worker that dies. */
async function worksOn(proxy: PlainProxy): Promise<void> {
  const workers = ({ processes }: Status): number[] =>
    processes.flatMap(({ role, state, pid }) =>
      role === "worker" && state === "serving" && pid !== null ? [pid] : [],
    );
  const [victim = Number.NaN] = workers(await statusOf(proxy));
  process.kill(victim, "SIGKILL");
  for (;;) {
    const [next = victim] = workers(await statusOf(proxy));
    if (next !== victim) return;
  }
}

test("an upgrade to a FIFO is refused at once, and the supervisor works on", async () => {
  const proxy = await serving();
  const path = fifo(join(proxy.directory, "fifo"));
  const { code, errors } = await plainCommand(proxy.configFile, "upgrade", path);
  expect(errors).toContain("is not a regular file");
  expect(code).toBe(1);
  await worksOn(proxy);
});

test("a configuration that became a FIFO makes the reload fail, and nothing waits for it for long", async () => {
  const proxy = await serving();
  const path = proxy.configFile;
  Bun.spawnSync(["mv", path, `${path}.old`]);
  fifo(path);
  const reload = plainCommand(path, "reload");
  await until("it is asked for", () => existsSync(path));
  await worksOn(proxy);
  const { code, errors } = await reload;
  expect(errors).toContain("nothing came from it within");
  expect(code).toBe(1);
  expect((await statusOf(proxy)).activity).toBe(null);
});

test("commands do not wait for a configuration that is a FIFO, and read one that is a pipe", async () => {
  const directory = makeDirectory("hanging");
  const path = fifo(join(directory, "proxy.yaml"));
  expect((await runCommand(["check", "-c", path])).errors).toContain("nothing came from it within");
  expect((await runCommand(["status", "-c", path])).code).toBe(3);
  const text = "pools: { a: { listen: 127.0.0.1:1, servers: [127.0.0.1:2:1] } }\n";
  writeFileSync(join(directory, "text"), text);
  const reading = runCommand(["check", "-c", path]);
  Bun.spawnSync(["sh", "-c", `cat '${join(directory, "text")}' > '${path}'`]);
  expect((await reading).code).toBe(0);
});

test("a configuration without end is read no further than its bound", async () => {
  const { code, errors } = await runCommand(["check", "-c", "/dev/zero"]);
  expect(errors).toContain("it is longer than");
  expect(code).toBe(1);
});

test("a log that is a FIFO needs no reader, and one that reads late gets what came before", async () => {
  const directory = makeDirectory("hanging");
  const path = fifo(join(directory, "log"));
  const proxy = startPlain(directory, [`log: { file: ${path} }`]);
  expect(await proxy.serves()).toBe(true);
  // Far more than a pipe holds: none of it is waited for.
  for (let at = 0; at < 8; at += 1)
    await plainCommand(proxy.configFile, "upgrade", `/${"x".repeat(15_000)}`);
  await worksOn(proxy);
  const reader = Bun.spawn(["head", "-n", "1", path], { stdio: ["ignore", "pipe", "inherit"] });
  expect(await reader.stdout.text()).toContain("info worker/");
});

test("a pid file that is a FIFO is refused", async () => {
  const directory = makeDirectory("hanging");
  const proxy = startPlain(directory, [`pid_file: ${fifo(join(directory, "pid"))}`]);
  expect(await proxy.exited).toBe(1);
  expect(proxy.output()).toContain("is no pid file");
});

test("executables that hang, flood or leave processes behind are given up, and so is what they started", async () => {
  const proxy = await serving();
  const { directory } = proxy;
  const pidFile = join(directory, "left");
  const left = `sleep 300 & echo $! > '${pidFile}'`;
  const cases: readonly (readonly [name: string, text: string, reason: string])[] = [
    ["floods", "exec cat /dev/zero", "printed more than"],
    ["complains", "exec cat /dev/zero >&2", "of errors"],
    ["leaves", `${left}; exit 3`, "exits at once with exit code 3"],
    ["hangs", `${left}; wait`, "did not answer within"],
    ["hides", "setsid sleep 20 & exit 4", "exits at once with exit code 4"],
  ];
  const before = mebibytesOf(proxy.pid);
  for (const [name, text, reason] of cases) {
    const { code, errors } = await plainCommand(
      proxy.configFile,
      "upgrade",
      script(directory, name, text),
    );
    expect(errors).toContain(reason);
    expect(code).toBe(1);
    expect((await statusOf(proxy)).activity).toBe(null);
    if (!text.includes(left)) continue;
    const pid = Number(readFileSync(pidFile, "utf8"));
    await until("what it left behind is ended", () => !isAlive(pid));
  }
  expect(mebibytesOf(proxy.pid) - before).toBeLessThan(GROWTH_MIB_MAX);
  await worksOn(proxy);
});

test("a stop in the middle of such an upgrade ends the process, and everything it started", async () => {
  const proxy = await serving();
  const pidFile = join(proxy.directory, "left");
  const path = script(proxy.directory, "hangs", `sleep 300 & echo $! > '${pidFile}'; exit 0`);
  const upgrade = plainCommand(proxy.configFile, "upgrade", path);
  await until("it runs", () => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "");
  const { code, output } = await plainCommand(proxy.configFile, "stop");
  expect(output).toBe("stopped\n");
  expect(code).toBe(0);
  // "stopped" is said of the process, not of its sockets.
  expect(isAlive(proxy.pid)).toBe(false);
  await until("its child is ended", () => !isAlive(Number(readFileSync(pidFile, "utf8"))));
  await upgrade;
});

test("what is no request is answered, and does no harm", async () => {
  const proxy = await serving();
  const socket = join(proxy.directory, "control");
  for (const line of ["null", "1", '"stop"', "[]", '{"verb":1}', '{"verb":"upgrade","path":7}']) {
    const answer = Promise.withResolvers<string>();
    const connection = await Bun.connect({
      unix: socket,
      socket: {
        data: (_socket, chunk) => answer.resolve(chunk.toString()),
        close: () => answer.resolve("closed"),
      },
    });
    connection.write(`${line}\n`);
    expect(await answer.promise).toContain("that is no request");
    connection.end();
  }
  await worksOn(proxy);
});
