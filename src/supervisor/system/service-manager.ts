/**
 * What a service manager is told (sd_notify(3)): a manager that started us with NOTIFY_SOCKET learns when we are ready, reloading,
 * stopping, and that we still turn. Without that variable all of this does nothing.
 *
 * Messages are datagrams of lines `NAME=value`. They are news, not requests: one that cannot be sent is logged once.
 */
import type { Logger } from "../../base/log.ts";
import { monotonicUs } from "../../os/clock.ts";
import { sendDatagram } from "../../os/unix-datagram.ts";

export interface ServiceManager {
  /** We serve: at the start, after a reload, and after this program replaced another in place. */
  ready(status: string): void;
  /** A reload begins; `ready` ends it, also one that failed. */
  reloading(): void;
  /** The end begins. */
  stopping(status: string): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** No sign of life any more. */
  close(): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Begins with signs of life at once, if the service manager wants them. */
export function createServiceManager(environment: Environment, log: Logger): ServiceManager {
  const socket = environment["NOTIFY_SOCKET"];
  if (socket === undefined || socket === "") return NO_MANAGER;
  let isReachable = true;
  const notify = (...lines: string[]): void => {
    try {
      sendDatagram(socket, `${lines.join("\n")}\n`);
      isReachable = true;
    } catch (error) {
      if (isReachable) log.warn(`cannot tell the service manager: ${(error as Error).message}`);
      isReachable = false;
    }
  };
  const intervalMs = watchdogIntervalMs(environment);
  const signsOfLife =
    intervalMs === null ? undefined : setInterval(() => notify("WATCHDOG=1"), intervalMs);
  return {
    // In the background, or behind a wrapper, we are not the process that the manager started.
    ready: (status) => notify("READY=1", `MAINPID=${process.pid}`, `STATUS=${oneLine(status)}`),
    reloading: () =>
      notify(
        "RELOADING=1",
        `MONOTONIC_USEC=${monotonicUs()}`,
        "STATUS=Reloading the configuration",
      ),
    stopping: (status) => notify("STOPPING=1", `STATUS=${oneLine(status)}`),
    status: (text) => notify(`STATUS=${oneLine(text)}`),
    close: () => clearInterval(signsOfLife),
  };
}

/** Half of what the manager would wait for, as sd_watchdog_enabled(3) advises; null: it does not wait for us. */
export function watchdogIntervalMs(environment: Environment): number | null {
  const pid = environment["WATCHDOG_PID"];
  if (pid !== undefined && Number(pid) !== process.pid) return null;
  const us = Number(environment["WATCHDOG_USEC"]);
  if (!Number.isSafeInteger(us) || us <= 0) return null;
  return Math.max(1, Math.floor(us / 2000));
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ");
}

const NO_MANAGER: ServiceManager = {
  ready() {},
  reloading() {},
  stopping() {},
  status() {},
  close() {},
};
