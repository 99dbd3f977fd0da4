import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  cleanUp,
  connectClient,
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

test("every address that cannot be used is named, and nothing is started", async () => {
  const directory = makeDirectory();
  const busy = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const free = freePort();
  const path = join(directory, "file");
  writeFileSync(path, "x");
  const listen = [`127.0.0.1:${free}`, `127.0.0.1:${busy.port}`, path, "192.0.2.1:7000"];
  const pidFile = join(directory, "pid");
  const proxy = launch(["-c", writeConfig(directory, listen), "-p", pidFile]);
  expect(await proxy.exited).toBe(1);
  const lines = proxy.log().trim().split("\n");
  expect(lines).toHaveLength(3);
  expect(lines[0]).toStartWith(
    `proxy: pool "pool1": address 127.0.0.1:${busy.port} is already in use`,
  );
  expect(lines[1]).toBe(
    `proxy: pool "pool2": unix socket ${path}: the file exists and is not a socket`,
  );
  expect(lines[2]).toContain('pool "pool3": address 192.0.2.1:7000 does not belong');
  expect(existsSync(pidFile)).toBe(false);
  await expect(connectClient(free)).rejects.toThrow("ECONNREFUSED");
  busy.stop();
});

test.each(["--reuseport", "--no-reuseport"])(
  "%s: a second proxy on the same address is refused",
  async (flag) => {
    const port = freePort();
    const file = writeConfig(makeDirectory(), [`127.0.0.1:${port}`]);
    await launchReady(["-c", file, "--workers", "2", flag]);
    const second = launch(["-c", file, "--workers", "2", flag]);
    expect(await second.exited).toBe(1);
    expect(second.log()).toContain(`address 127.0.0.1:${port} is already in use`);
  },
);

test("a statistics port in use names the flags for another one", async () => {
  const busy = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${freePort()}`]);
  const proxy = launch(["-c", file, "-a", "127.0.0.1", "-s", `${busy.port}`]);
  expect(await proxy.exited).toBe(1);
  expect(proxy.log()).toContain(`statistics: address 127.0.0.1:${busy.port} is already in use`);
  expect(proxy.log()).toContain('another port with "-s N" and address with "-a IP"');
  busy.stop();
});

test.each([
  ["log file", "-o"],
  ["pid file", "-p"],
  ["unix socket", "--control"],
])("a %s in a folder that is missing, or none, names it", async (what, flag) => {
  const directory = makeDirectory();
  const file = writeConfig(directory, [`127.0.0.1:${freePort()}`]);
  const missing = join(directory, "missing");
  for (const [path, problem] of [
    [join(missing, "more", "it"), `folder ${missing} does not exist; make it`],
    [join(file, "it"), `${file} is not a folder; name another path`],
  ] as const) {
    const proxy = launch(["-c", file, flag, path]);
    expect(await proxy.exited).toBe(1);
    expect(proxy.log()).toContain(`${what} ${path}`);
    expect(proxy.log()).toContain(problem);
  }
});

test("a host name is resolved, an unknown one is named", async () => {
  const port = freePort();
  const file = writeConfig(makeDirectory(), [`localhost:${port}`]);
  const proxy = await launchReady(["-c", file, "--workers", "1"]);
  expect(proxy.log()).toMatch(new RegExp(`listen="?pool0=(127.0.0.1|\\[::1\\]):${port}`));
  const wrong = launch(["-c", writeConfig(makeDirectory(), [`no.such.host.invalid:${port}`])]);
  expect(await wrong.exited).toBe(1);
  expect(wrong.log()).toContain('cannot find the address of "no.such.host.invalid"');
});

test("a stale unix socket is replaced, with the mode that the configuration names", async () => {
  const directory = makeDirectory();
  const path = join(directory, "s");
  const file = writeConfig(directory, [`${path} 0620`]);
  const first = await launchReady(["-c", file, "--workers", "1"]);
  const worker = first.workers().get(0)!;
  const refused = launch(["-c", file, "--workers", "1"]);
  expect(await refused.exited).toBe(1);
  expect(refused.log()).toContain(`unix socket ${path} is already in use`);
  first.kill("SIGKILL");
  await first.exited;
  await until("the worker is gone", () => !isAlive(worker));
  expect(existsSync(path)).toBe(true);
  const second = await launchReady(["-c", file, "--workers", "2"]);
  expect(statSync(path).mode & 0o777).toBe(0o620);
  const client = await connectClient(path);
  expect((await client.ask("x")).text).toBe("x");
  client.close();
  second.kill("SIGTERM");
  expect(await second.exited).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test("a pid file of a living proxy is respected, a forgotten one is taken over", async () => {
  const directory = makeDirectory();
  const pidFile = join(directory, "pid");
  const start = (port: number): string[] => [
    "-c",
    writeConfig(makeDirectory(), [`127.0.0.1:${port}`]),
    "--workers",
    "1",
    "-p",
    pidFile,
  ];
  const first = await launchReady(start(freePort()));
  const second = launch(start(freePort()));
  expect(await second.exited).toBe(1);
  expect(second.log()).toStartWith(
    `proxy: pid file ${pidFile} belongs to a proxy that is running with pid ${first.pid}; "proxy reload" `,
  );
  expect(readFileSync(pidFile, "utf8")).toBe(`${first.pid}\n`);
  first.kill("SIGKILL");
  await first.exited;
  const third = await launchReady(start(freePort()));
  expect(readFileSync(pidFile, "utf8")).toBe(`${third.pid}\n`);
});

test("a pid file that cannot be written is an error before anything listens", async () => {
  const port = freePort();
  const file = writeConfig(makeDirectory(), [`127.0.0.1:${port}`]);
  const proxy = launch(["-c", file, "-p", "/proc/no/pid"]);
  expect(await proxy.exited).toBe(1);
  expect(proxy.log()).toContain("cannot open pid file /proc/no/pid");
});
