import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { EARLY_DEATH_MS } from "../../src/supervisor/process/respawn-delay.ts";
import {
  childrenOf,
  cleanUp,
  connectClient,
  type EchoProxy,
  isAlive,
  launch,
  launchReady,
  makeDirectory,
  until,
  writeConfig,
} from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { stopProcess } from "../support/stop-process.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(cleanUp);

async function start(
  port: number,
  args: readonly string[] = [],
  lines: string[] = [],
): Promise<EchoProxy> {
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${port}`], lines);
  return await launchReady(["-c", file, ...args]);
}

test("a worker that is killed is replaced in its slot, and the others stay", async () => {
  const proxy = await start(freePort(), ["--workers", "2"]);
  const before = proxy.workers();
  expect([...before.keys()].sort()).toEqual([0, 1]);
  process.kill(before.get(1)!, "SIGKILL");
  await proxy.logged(/died child=worker\/1 .*signal=SIGKILL/);
  await proxy.logged(/worker is ready child=worker\/1/, 2);
  const after = proxy.workers();
  expect(after.get(0)).toBe(before.get(0)!);
  expect(after.get(1)).not.toBe(before.get(1)!);
});

test("a worker asked to terminate is replaced, too", async () => {
  const proxy = await start(freePort(), ["--workers", "1"]);
  process.kill(proxy.workers().get(0)!, "SIGTERM");
  await proxy.logged(/died child=worker\/0 .*exitCode=0/);
  await proxy.logged(/worker is ready child=worker\/0/, 2);
});

describe.each(["--reuseport", "--no-reuseport"])("%s", (flag) => {
  test("no connection is refused or lost while a worker is killed and replaced", async () => {
    const port = freePort();
    const proxy = await start(port, ["--workers", "2", flag]);
    let isOver = false;
    let answered = 0;
    // Clients that wait in the queue of a dead worker's socket are served by its replacement.
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const client = await connectClient(port);
        const asked = client.ask("hello").then(
          ({ text }) => text,
          // Accepted by the worker that died: nobody can save that one.
          (error: Error) => error.message,
        );
        expect(["hello", "connection closed"]).toContain(await asked);
        answered += 1;
        client.close();
      }
    });
    for (let round = 1; round <= 4; round += 1) {
      const seen = answered;
      await until("some answers", () => answered > seen + 20);
      process.kill(proxy.workers().get(round % 2)!, "SIGKILL");
      await proxy.logged(/ died /, round);
      await proxy.logged(/worker is ready/, 2 + round);
    }
    isOver = true;
    await Promise.all(clients);
    expect(proxy.workers().size).toBe(2);
  });
});

test("a client that waits while the only worker is dead is served by the next one", async () => {
  const port = freePort();
  const proxy = await start(port, ["--workers", "1"]);
  const pid = proxy.workers().get(0)!;
  // Stopped, it accepts nobody: the clients wait in the socket's queue.
  await stopProcess(pid);
  const clients = await Promise.all(Array.from({ length: 8 }, () => connectClient(port)));
  const answers = clients.map((client) => client.ask("late"));
  process.kill(pid, "SIGKILL");
  for (const answer of await Promise.all(answers)) {
    expect(answer.text).toBe("late");
    expect(answer.pid).not.toBe(pid);
  }
  for (const client of clients) client.close();
});

test("with reuseport every worker gets connections", async () => {
  const port = freePort();
  await start(port, ["--workers", "2", "--reuseport"]);
  const slots = new Set<number>();
  // Each new connection goes to either with equal chance: 64 in a row for one of them do not happen.
  for (let count = 0; count < 64 && slots.size < 2; count += 1) {
    const client = await connectClient(port);
    slots.add((await client.ask("x")).slot);
    client.close();
  }
  expect(slots.size).toBe(2);
});

test("workers do not outlive a supervisor that is killed", async () => {
  const port = freePort();
  const proxy = await start(port, ["--workers", "2", "-a", "127.0.0.1", "-s", String(freePort())]);
  const children = childrenOf(proxy.pid).map(({ pid }) => pid);
  expect(children).toHaveLength(3);
  proxy.kill("SIGKILL");
  await until("children are gone", () => !children.some(isAlive));
  await expect(connectClient(port)).rejects.toThrow("ECONNREFUSED");
});

test("an orphaned worker lets its clients finish, but not longer than the drain time", async () => {
  const port = freePort();
  const proxy = await start(port, ["--workers", "1"], ["drain_timeout: 60s"]);
  const worker = proxy.workers().get(0)!;
  const client = await connectClient(port);
  await client.ask("before");
  proxy.kill("SIGKILL");
  await until("nobody is accepted", () => !isAlive(proxy.pid));
  expect((await client.ask("after")).pid).toBe(worker);
  client.close();
  await until("the worker is gone", () => !isAlive(worker));

  const other = freePort();
  const brief = await start(other, ["--workers", "1"], ["drain_timeout: 100ms"]);
  const pid = brief.workers().get(0)!;
  const stubborn = await connectClient(other);
  await stubborn.ask("before");
  brief.kill("SIGKILL");
  await stubborn.closed;
  await until("the worker is gone", () => !isAlive(pid));
});

test("a worker that keeps dying young is replaced ever more slowly", async () => {
  const proxy = await start(freePort(), ["--workers", "1"]);
  for (let death = 1; death <= 4; death += 1) {
    const pid = proxy.workers().get(0)!;
    process.kill(pid, "SIGKILL");
    await proxy.logged(/ died /, death);
    await proxy.logged(/worker is ready/, death + 1);
  }
  const deaths = [...proxy.log().matchAll(/livedMs=(\d+) replacedInMs=(\d+)/g)];
  const delays = deaths.map((match) => Number(match[2]));
  // On a busy machine some get older than "young" before they can be killed.
  let young = 0;
  const expected = deaths.map((match) => {
    young = Number(match[1]) < EARLY_DEATH_MS ? young + 1 : 0;
    return young < 2 ? 0 : 100 * 2 ** (young - 2);
  });
  expect(delays).toEqual(expected);
  expect(delays).toHaveLength(4);
});

test("a killed admin process is replaced, and traffic does not notice", async () => {
  const port = freePort();
  const statsPort = freePort();
  const proxy = await start(port, ["--workers", "1", "-a", "127.0.0.1", "-s", String(statsPort)]);
  const admins = (): number[] =>
    childrenOf(proxy.pid).flatMap(({ name, pid }) => (name === "proxy admin" ? [pid] : []));
  await until("the admin process has its name", () => admins().length === 1);
  const [admin = Number.NaN] = admins();
  const client = await connectClient(port);
  const { pid } = await client.ask("before");
  process.kill(admin, "SIGKILL");
  await proxy.logged(/died child=admin/);
  expect((await client.ask("after")).pid).toBe(pid);
  // Waits in the socket's queue until the next one is there.
  const line = Promise.withResolvers<string>();
  await Bun.connect({
    hostname: "127.0.0.1",
    port: statsPort,
    socket: { data: (_socket, chunk) => line.resolve(chunk.toString()) },
  });
  expect(await line.promise).toStartWith('{"service":"nutcracker"');
  client.close();
});

test("workers that crash right at the start, again and again, make it fail", async () => {
  const file = join(makeDirectory(), "proxy.yaml");
  await Bun.write(
    file,
    `pools:\n  crash:\n    listen: 127.0.0.1:${freePort()}\n    servers: [127.0.0.1:1:1]\n`,
  );
  const proxy = launch(["-c", file, "--workers", "1"]);
  expect(await proxy.exited).toBe(1);
  expect(proxy.log().match(/ died .*exitCode=3/g)).toHaveLength(5);
  expect(proxy.log()).toContain("proxy: worker/0: died 5 times in a row right after its start");
});

test("too few descriptors make the start fail in one line, at whatever step they run out", async () => {
  const port = freePort();
  const directory = makeDirectory();
  const pidFile = join(directory, "pid");
  const file = writeConfig(directory, [`127.0.0.1:${port}`, join(directory, "s")]);
  let failures = 0;
  for (let limit = 8; limit <= 20; limit += 1) {
    const args = ["-c", file, "--workers", "3", "-p", pidFile];
    const proxy = launch(args, ["prlimit", `--nofile=${limit}:${limit}`]);
    const ready = proxy.logged(/ supervisor ready /).then(() => proxy.kill("SIGTERM"));
    const code = await Promise.race([proxy.exited, ready.then(() => proxy.exited)]);
    ready.catch(() => {});
    expect(childrenOf(proxy.pid)).toEqual([]);
    expect(readdirSync(directory)).toEqual(["proxy.yaml"]);
    if (code === 0) continue;
    failures += 1;
    expect(code).toBe(1);
    expect(proxy.log()).toMatch(/^proxy: .*\(EMFILE\)$|^proxy: .*EMFILE: too many/m);
    expect(proxy.log()).not.toMatch(/^ +at /m);
  }
  expect(failures).toBeGreaterThan(2);
});

test("a worker that hangs does not hold up the end", async () => {
  const port = freePort();
  const proxy = await start(port, ["--workers", "2"]);
  const hanging = proxy.workers().get(0)!;
  process.kill(hanging, "SIGSTOP");
  proxy.kill("SIGTERM");
  expect(await proxy.exited).toBe(0);
  expect(proxy.log()).toContain("did not leave in time, killed child=worker/0");
  expect(isAlive(hanging)).toBe(false);
});

test("a worker that cannot serve makes the start fail, with its reason", async () => {
  const directory = makeDirectory();
  const file = join(directory, "proxy.yaml");
  await Bun.write(
    file,
    `pools:\n  broken:\n    listen: 127.0.0.1:${freePort()}\n    servers: [127.0.0.1:1:1]\n`,
  );
  const proxy = launch(["-c", file, "--workers", "2", "-p", join(directory, "pid")]);
  expect(await proxy.exited).toBe(1);
  expect(proxy.log()).toMatch(/^proxy: worker\/\d: pool broken cannot be served$/m);
  expect(childrenOf(proxy.pid)).toEqual([]);
  expect(await Bun.file(join(directory, "pid")).exists()).toBe(false);
});
