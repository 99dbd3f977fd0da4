import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "../../../../src/base/log.ts";
import { monotonicUs } from "../../../../src/os/clock.ts";
import {
  createServiceManager,
  watchdogIntervalMs,
} from "../../../../src/supervisor/system/service-manager.ts";
import { NotifySocket } from "../../../support/notify-socket.ts";

const warnings: string[] = [];
const LOG: Logger = {
  error() {},
  warn: (message) => void warnings.push(message),
  info() {},
  debug() {},
  child: () => LOG,
  setLevel() {},
  redirect() {},
  reopen() {},
};

let folder = "";
beforeEach(() => {
  warnings.length = 0;
  folder = mkdtempSync(join(tmpdir(), "notify-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each(["path", "abstract"])(
  "messages arrive at a socket with an address of kind %s",
  (kind) => {
    const name = kind === "path" ? join(folder, "s") : `@${folder}/abstract`;
    const socket = new NotifySocket(name);
    const manager = createServiceManager({ NOTIFY_SOCKET: name }, LOG);
    manager.ready("Serving\nwith 2 workers");
    const before = monotonicUs();
    manager.reloading();
    manager.status("so and so");
    manager.stopping("Stopping");
    manager.close();
    const messages = socket.messages();
    expect(messages[0]).toBe(`READY=1\nMAINPID=${process.pid}\nSTATUS=Serving with 2 workers\n`);
    expect(messages[1]).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=.+\n$/);
    const at = BigInt(/USEC=(\d+)/.exec(messages[1] ?? "")?.[1] ?? 0);
    expect(at >= before && at <= monotonicUs()).toBe(true);
    expect(messages[2]).toBe("STATUS=so and so\n");
    expect(messages[3]).toBe("STOPPING=1\nSTATUS=Stopping\n");
    expect(warnings).toEqual([]);
    socket.close();
  },
);

test("without the variable nothing happens, without a receiver the log says so once", () => {
  createServiceManager({}, LOG).ready("x");
  expect(warnings).toEqual([]);
  const manager = createServiceManager({ NOTIFY_SOCKET: join(folder, "nobody") }, LOG);
  manager.ready("x");
  manager.stopping("x");
  expect(warnings).toEqual([
    "cannot tell the service manager: connect: no such file or directory (ENOENT)",
  ]);
});

test("signs of life come at half the time that is waited for, if this process is meant", () => {
  expect(watchdogIntervalMs({ WATCHDOG_USEC: "3000000" })).toBe(1500);
  expect(watchdogIntervalMs({ WATCHDOG_USEC: "1000", WATCHDOG_PID: `${process.pid}` })).toBe(1);
  expect(watchdogIntervalMs({ WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" })).toBeNull();
  for (const value of ["0", "-1", "x", "", undefined]) {
    expect(watchdogIntervalMs({ WATCHDOG_USEC: value })).toBeNull();
  }
});
