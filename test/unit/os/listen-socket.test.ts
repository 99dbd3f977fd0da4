import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { closeFd } from "../../../src/os/fd.ts";
import {
  boundPort,
  ListenError,
  listenTcp,
  listenUnix,
  unlinkSocket,
} from "../../../src/os/listen-socket.ts";

let folder = "";
const open: number[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "listen-"));
});

afterEach(() => {
  for (const fd of open.splice(0)) closeFd(fd);
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

function keep(fd: number): number {
  open.push(fd);
  return fd;
}

function errorOf(act: () => unknown): ListenError {
  try {
    act();
  } catch (error) {
    if (error instanceof ListenError) return error;
    throw error;
  }
  throw new Error("did not throw");
}

function canConnect(target: { port: number; host: string } | { path: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(target);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

test("a TCP socket listens on the port it was given", async () => {
  for (const ip of ["127.0.0.1", "::1"]) {
    const options = { ip, port: 0, backlog: 16, reusePort: false };
    const port = boundPort(keep(listenTcp(options)));
    expect(port).toBeGreaterThan(0);
    expect(await canConnect({ host: ip, port })).toBe(true);
  }
});

test("an address in use is named, IPv6 in brackets", () => {
  for (const [ip, name] of [
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "[::1]"],
  ] as const) {
    const port = boundPort(keep(listenTcp({ ip, port: 0, backlog: 16, reusePort: false })));
    const error = errorOf(() => listenTcp({ ip, port, backlog: 16, reusePort: false }));
    expect(error.code).toBe("EADDRINUSE");
    expect(error.message).toStartWith(`address ${name}:${port} is already in use`);
  }
});

test("with reusePort several sockets share an address, without it none joins them", () => {
  const options = { ip: "127.0.0.1", port: 0, backlog: 16, reusePort: true };
  const port = boundPort(keep(listenTcp(options)));
  keep(listenTcp({ ...options, port }));
  expect(errorOf(() => listenTcp({ ...options, port, reusePort: false })).code).toBe("EADDRINUSE");
});

test("what is no address of this machine, or no address at all, is said so", () => {
  const options = { port: 1, backlog: 1, reusePort: false };
  expect(errorOf(() => listenTcp({ ...options, ip: "192.0.2.1" })).message).toBe(
    "address 192.0.2.1:1 does not belong to this machine (EADDRNOTAVAIL)",
  );
  expect(errorOf(() => listenTcp({ ...options, ip: "example" })).message).toBe(
    "address example:1: not an IP address",
  );
});

test("a unix socket has its mode and goes with its listener", async () => {
  const path = join(folder, "s");
  const listener = listenUnix({ path, mode: 0o620, backlog: 16 });
  keep(listener.fd);
  expect(statSync(path).mode & 0o777).toBe(0o620);
  expect(await canConnect({ path })).toBe(true);
  unlinkSocket(listener.file);
  expect(existsSync(path)).toBe(false);
});

test("a stale unix socket is replaced, a live one is an error", async () => {
  const path = join(folder, "s");
  const first = listenUnix({ path, mode: null, backlog: 16 });
  const error = errorOf(() => listenUnix({ path, mode: null, backlog: 16 }));
  expect(error.message).toStartWith(`unix socket ${path} is already in use`);
  expect(await canConnect({ path })).toBe(true);
  closeFd(first.fd);
  expect(existsSync(path)).toBe(true);
  const second = listenUnix({ path, mode: null, backlog: 16 });
  keep(second.fd);
  expect(await canConnect({ path })).toBe(true);
  unlinkSocket(first.file);
  expect(existsSync(path)).toBe(true);
  unlinkSocket(second.file);
  expect(existsSync(path)).toBe(false);
});

test("a full accept queue is a sign of life", () => {
  const path = join(folder, "s");
  keep(listenUnix({ path, mode: null, backlog: 0 }).fd);
  // Each probe leaves one connection in the queue, which has room for one.
  for (let probe = 0; probe < 4; probe += 1) {
    expect(errorOf(() => listenUnix({ path, mode: null, backlog: 0 })).code).toBe("EADDRINUSE");
  }
});

test("another file in the place of a unix socket is left alone", () => {
  const path = join(folder, "s");
  writeFileSync(path, "precious");
  expect(errorOf(() => listenUnix({ path, mode: null, backlog: 16 })).message).toBe(
    `unix socket ${path}: the file exists and is not a socket`,
  );
  expect(statSync(path).size).toBe(8);
});

test("a path that cannot be used is named", () => {
  const missing = join(folder, "no", "s");
  expect(errorOf(() => listenUnix({ path: missing, mode: null, backlog: 1 })).message).toBe(
    `unix socket ${missing} cannot be listened on: folder ${dirname(missing)} does not exist; make it, or name another path`,
  );
  const long = join(folder, "x".repeat(100));
  expect(errorOf(() => listenUnix({ path: long, mode: null, backlog: 1 })).code).toBe(
    "ENAMETOOLONG",
  );
});
