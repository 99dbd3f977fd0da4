import { expect, test } from "bun:test";
import { closeFd } from "../../../../src/os/fd.ts";
import { boundPort, listenTcp } from "../../../../src/os/listen-socket.ts";
import { isListening, localAddress } from "../../../../src/os/socket-facts.ts";
import {
  ActivatedSockets,
  takeActivatedSockets,
} from "../../../../src/supervisor/sockets/activation.ts";

test("what is meant for another process is not taken, and nobody after us finds it", () => {
  const environment: Record<string, string | undefined> = {
    LISTEN_PID: "1",
    LISTEN_FDS: "2",
    LISTEN_FDNAMES: "a:b",
    OTHER: "x",
  };
  expect(takeActivatedSockets(environment).leftovers()).toEqual([]);
  expect(environment).toEqual({ OTHER: "x" });
  expect(takeActivatedSockets({ LISTEN_PID: `${process.pid}` }).leftovers()).toEqual([]);
});

test("sockets are found by address, however it is written, each once", () => {
  const sockets = new ActivatedSockets([
    { fd: 10, name: "", address: "127.0.0.1:80" },
    { fd: 11, name: "six", address: "[::1]:80" },
    { fd: 12, name: "", address: "/run/a.sock" },
    { fd: 13, name: "", address: "127.0.0.1:80" },
    { fd: 14, name: "odd", address: null },
  ]);
  expect(sockets.claimTcp("127.0.0.1", 80)).toEqual([10, 13]);
  expect(sockets.claimTcp("127.0.0.1", 80)).toEqual([]);
  expect(sockets.claimTcp("0:0:0:0:0:0:0:1", 80)).toEqual([11]);
  expect(sockets.claimTcp("no address", 80)).toEqual([]);
  expect(sockets.leftovers()).toEqual([
    "socket 12 of the service manager listens on /run/a.sock, which no pool does: change the socket unit or the pool",
    'socket "odd" of the service manager is not a listening stream socket',
  ]);
  expect(sockets.claim("/run/a.sock")).toEqual([12]);
});

test("a listening socket's address", () => {
  const fd = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 1, reusePort: false });
  expect(isListening(fd)).toBe(true);
  expect(localAddress(fd)).toBe(`127.0.0.1:${boundPort(fd)}`);
  closeFd(fd);
  expect(isListening(fd)).toBe(false);
  expect(localAddress(fd)).toBeNull();
});
