/**
 * What the admin process does with the supervisor's messages: `start` makes it serve, and a later `start` makes it show
 * another config or layout without closing its port.
 */
import { hostname } from "node:os";
import type { ToAdmin } from "../api/control.ts";
import { STATS_FD } from "../api/control.ts";
import type { Logger } from "../base/log.ts";
import { renderNutcrackerStats, type StatsSource } from "../metrics/nutcracker-stats.ts";
import { mapStatsMemory } from "../metrics/stats-memory.ts";
import { assumeIdentity } from "../os/identity.ts";
import { openProcessLog } from "../os/log-output.ts";
import { hearParentDeath } from "../os/process.ts";
import { createStatsPort, type StatsPort } from "./stats-port.ts";

type Start = Extract<ToAdmin, { readonly type: "start" }>;

export class Admin {
  #source: StatsSource | null = null;
  /** What was shown last, and when it was made, by a monotonic clock. */
  #shown: { readonly line: string; readonly madeMs: number } | null = null;
  #statsPort: { readonly fd: number; readonly port: StatsPort } | null = null;
  #log: Logger | null = null;
  readonly #supervisorPid = process.ppid;
  readonly #exit: (code: number) => void;

  /** `exit` ends the process; it is called at most with 0 (told to stop) or 1 (cannot serve, the reason is logged). */
  constructor(exit: (code: number) => void) {
    this.#exit = exit;
  }

  handle(message: ToAdmin): void {
    switch (message.type) {
      case "start":
        this.#start(message);
        break;
      case "stop":
        this.#statsPort?.port.close();
        this.#exit(0);
        break;
      case "reopen_log":
        this.#log?.reopen();
        break;
    }
  }

  #start(start: Start): void {
    this.#log ??= openProcessLog({
      ...start.config.log,
      process: "admin",
      owner: start.runAs ?? null,
    });
    this.#log.setLevel(start.config.log.level);
    try {
      this.#shown = null;
      this.#source = {
        config: start.config,
        layout: start.stats,
        memory: mapStatsMemory(STATS_FD, start.stats),
        hostname: hostname(),
        version: start.version,
        startedAtMs: start.startedAtMs,
      };
      // Only the first start can: later ones find it done.
      if (start.runAs !== undefined && process.getuid?.() !== start.runAs.uid) {
        assumeIdentity(start.runAs);
      }
      if (!hearParentDeath("SIGTERM", this.#supervisorPid)) this.#exit(0);
      this.#serve(start.statsListenFd);
    } catch (error) {
      this.#log.error(`cannot serve statistics: ${(error as Error).message}`);
      this.#exit(1);
    }
  }

  #serve(fd: number | null): void {
    if (fd === this.#statsPort?.fd) return;
    this.#statsPort?.port.close();
    this.#statsPort = null;
    if (fd === null) return;
    const port = createStatsPort({
      fd,
      render: () => this.#render(),
      onError: (error) => this.#log?.error(`statistics port: ${error.message}`),
    });
    this.#statsPort = { fd, port };
  }

  #render(): string {
    if (this.#source === null) throw new Error("not started");
    const { intervalMs } = this.#source.config.stats;
    const nowMs = performance.now();
    if (this.#shown !== null && nowMs - this.#shown.madeMs < intervalMs) return this.#shown.line;
    const line = renderNutcrackerStats(this.#source, Date.now());
    this.#shown = { line, madeMs: nowMs };
    return line;
  }
}
