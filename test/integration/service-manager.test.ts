/** The proxy under a service manager, whose part the test plays: notifications and socket activation. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { closeFd } from "../../src/os/fd.ts";
import { boundPort, listenTcp, listenUnix } from "../../src/os/listen-socket.ts";
import { createSharedMemory } from "../../src/os/shared-memory.ts";
import {
  cleanUp,
  connectClient,
  echoCommand,
  launch,
  makeDirectory,
  until,
  writeConfig,
} from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { NotifySocket } from "../support/notify-socket.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);

const fds: number[] = [];
const children = new Set<Bun.Subprocess>();

afterEach(async () => {
  for (const child of children) child.kill("SIGTERM");
  await Promise.all([...children].map((child) => child.exited));
  children.clear();
  for (const fd of fds.splice(0)) closeFd(fd);
  await cleanUp();
});

test("it is told of readiness, life and the end", async () => {
  const directory = makeDirectory();
  const name = join(directory, "notify");
  const socket = new NotifySocket(name);
  const file = writeConfig(directory, [`127.0.0.1:${freePort()}`]);
  const proxy = launch(
    ["-c", file, "--workers", "2"],
    ["env", `NOTIFY_SOCKET=${name}`, "WATCHDOG_USEC=40000"],
  );
  const heard = (text: string): number =>
    socket.messages().findIndex((message) => message.includes(text));
  await until("it is ready", () => heard("READY=1") >= 0);
  expect(socket.messages()[heard("READY=1")]).toMatch(
    new RegExp(`^READY=1\nMAINPID=${proxy.pid}\nSTATUS=Serving with 2 workers: pool0=`),
  );
  const livesAt = socket.messages().length;
  await until("it lives", () => socket.messages().length > livesAt + 2);
  expect(socket.messages().at(-1)).toBe("WATCHDOG=1\n");
  proxy.kill("SIGTERM");
  expect(await proxy.exited).toBe(0);
  expect(heard("STOPPING=1")).toBeGreaterThan(heard("READY=1"));
  socket.close();
});

test("it is told of reloads, also of one that fails, and of the program that an upgrade brings", async () => {
  const directory = makeDirectory();
  const name = join(directory, "notify");
  const socket = new NotifySocket(name);
  const listen = [`127.0.0.1:${freePort()}`];
  const file = writeConfig(directory, listen, ["workers: 1"]);
  const proxy = launch(["-c", file], ["env", `NOTIFY_SOCKET=${name}`]);
  const states = (): string[] =>
    socket.messages().flatMap((message) => /^(READY|RELOADING)=1/.exec(message)?.[1] ?? []);
  await until("it is ready", () => states().length === 1);
  writeConfig(directory, listen, ["workers: 2"]);
  proxy.kill("SIGHUP");
  await until("it is reloaded", () => states().length === 3);
  expect(socket.messages().at(-1)).toContain("STATUS=Serving with 2 workers: pool0=");
  writeConfig(directory, listen, ["workers: none"]);
  proxy.kill("SIGHUP");
  await until("it goes on", () => states().length === 5);
  writeConfig(directory, listen, ["workers: 1"]);
  proxy.kill("SIGUSR2");
  await until("it is upgraded", () => states().length === 6);
  expect(states()).toEqual(["READY", "RELOADING", "READY", "RELOADING", "READY", "READY"]);
  expect(socket.messages().at(-1)).toStartWith(`READY=1\nMAINPID=${proxy.pid}\n`);
  proxy.kill("SIGTERM");
  expect(await proxy.exited).toBe(0);
  expect(socket.messages().at(-1)).toStartWith("STOPPING=1");
  socket.close();
});

test("a start that fails is never called ready", async () => {
  const directory = makeDirectory();
  const name = join(directory, "notify");
  const socket = new NotifySocket(name);
  const port = freePort();
  const listening = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  const file = writeConfig(directory, [`127.0.0.1:${port}`]);
  const proxy = launch(["-c", file], ["env", `NOTIFY_SOCKET=${name}`]);
  expect(await proxy.exited).toBe(1);
  expect(socket.messages().filter((message) => message.includes("READY"))).toEqual([]);
  listening.stop();
  socket.close();
});

interface Activated {
  readonly exited: Promise<number>;
  log(): string;
}

/** Starts the program with these sockets as descriptors 3, 4, …, as sd_listen_fds(3) has it. */
function activate(sockets: readonly number[], names: string, args: readonly string[]): Activated {
  fds.push(...sockets);
  const child = Bun.spawn(
    ["sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh", ...echoCommand(args)],
    {
      stdio: ["ignore", "ignore", "pipe", ...sockets],
      env: { ...process.env, LISTEN_FDS: `${sockets.length}`, LISTEN_FDNAMES: names },
    },
  );
  children.add(child);
  let log = "";
  const read = async (): Promise<void> => {
    for await (const chunk of child.stderr as ReadableStream<Uint8Array>) {
      log += Buffer.from(chunk).toString();
    }
  };
  const end = read();
  return { exited: child.exited.then((code) => end.then(() => code)), log: () => log };
}

test.each(["reuseport", "shared"])(
  "given sockets are used (%s), and stay the manager's",
  async (accept) => {
    const directory = makeDirectory();
    const path = join(directory, "s");
    const tcp = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 16, reusePort: false });
    const six = listenTcp({ ip: "::1", port: 0, backlog: 16, reusePort: false });
    const unix = listenUnix({ path, mode: null, backlog: 16 });
    const port = boundPort(tcp);
    // Who comes before the start waits in the socket.
    const early = await connectClient(port);
    const answer = early.ask("early");
    const own = freePort();
    const file = writeConfig(directory, [
      `127.0.0.1:${port}`,
      path,
      `127.0.0.1:${own}`,
      `"[0:0::1]:${boundPort(six)}"`,
    ]);
    const proxy = activate([unix.fd, tcp, six], "u:t:six", [
      ...["-c", file, "--workers", "2", "--accept", accept],
    ]);
    expect((await answer).text).toBe("early");
    await until("it is ready", () => proxy.log().includes(" supervisor ready "));
    for (const target of [port, path, own]) {
      const client = await connectClient(target);
      expect((await client.ask("x")).text).toBe("x");
      client.close();
    }
    early.close();
    for (const child of children) child.kill("SIGTERM");
    expect(await proxy.exited).toBe(0);
    // Still open here, as in the manager: a client waits for the next start.
    expect(existsSync(path)).toBe(true);
    const late = await connectClient(port);
    late.close();
  },
);

function listenersOn(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = readFileSync("/proc/net/tcp", "latin1").split("\n");
  return lines.filter((line) => new RegExp(`^ *\\d+: \\S+:${hex} \\S+ 0A`).test(line)).length;
}

test("given sockets stay through reloads, whatever the number of workers, and upgrades", async () => {
  const directory = makeDirectory();
  const path = join(directory, "s");
  const tcp = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 16, reusePort: false });
  const unix = listenUnix({ path, mode: null, backlog: 16 });
  const targets = [boundPort(tcp), path];
  const listen = [`127.0.0.1:${targets[0]}`, path];
  const file = writeConfig(directory, listen, ["workers: 1", "accept: reuseport"]);
  const proxy = activate([tcp, unix.fd], "t:u", ["-c", file]);
  const kill = (signal: NodeJS.Signals): void => {
    for (const child of children) child.kill(signal);
  };
  const isServed = async (): Promise<void> => {
    for (const target of targets) {
      const client = await connectClient(target);
      expect((await client.ask("x")).text).toBe("x");
      client.close();
    }
  };
  await until("it is ready", () => proxy.log().includes(" supervisor ready "));
  writeConfig(directory, listen, ["workers: 3", "accept: reuseport"]);
  kill("SIGHUP");
  await until("it is reloaded", () => proxy.log().includes(" reload done "));
  await isServed();
  // What a socket of our own took would be lost at our end.
  expect(listenersOn(boundPort(tcp))).toBe(1);
  kill("SIGUSR2");
  await until("it is upgraded", () => proxy.log().includes(" ready after an upgrade "));
  await isServed();
  writeConfig(directory, listen, ["workers: 2", "accept: shared"]);
  kill("SIGHUP");
  await until("it is reloaded again", () => proxy.log().split(" reload done ").length === 3);
  await isServed();
  kill("SIGTERM");
  expect(await proxy.exited).toBe(0);
  expect(existsSync(path)).toBe(true);
});

test("a socket that belongs to no pool, and one that is none, make the start fail", async () => {
  const directory = makeDirectory();
  const port = freePort();
  const tcp = listenTcp({ ip: "127.0.0.1", port, backlog: 16, reusePort: false });
  const memory = createSharedMemory("test", 16);
  const file = writeConfig(directory, [`127.0.0.1:${freePort()}`]);
  const proxy = activate([tcp, memory], "web", ["-c", file]);
  expect(await proxy.exited).toBe(1);
  expect(proxy.log()).toBe(
    `proxy: socket "web" of the service manager listens on 127.0.0.1:${port}, which no pool does: change the socket unit or the pool\n` +
      "proxy: socket 4 of the service manager is not a listening stream socket\n",
  );
});

test("variables that are meant for another process are ignored", async () => {
  const directory = makeDirectory();
  const port = freePort();
  const file = writeConfig(directory, [`127.0.0.1:${port}`]);
  const proxy = launch(["-c", file, "--workers", "1"], ["env", "LISTEN_PID=1", "LISTEN_FDS=3"]);
  await proxy.logged(/ supervisor ready /);
  const client = await connectClient(port);
  expect((await client.ask("x")).text).toBe("x");
  client.close();
});
