/**
 * What the admin process does with the supervisor's messages: `start` makes it serve, and a later `start` makes it show
 * another config or layout without closing its port.
 */
import { readFileSync } from "node:fs";
import { hostname, setPriority } from "node:os";
import type { FromAdmin, ToAdmin } from "../api/control.ts";
import { STATS_FD } from "../api/control.ts";
import type { StatsLayout } from "../api/stats.ts";
import type { Logger } from "../base/log.ts";
import { directoryOf } from "../metrics/directory.ts";
import { renderNutcrackerStats, type StatsSource } from "../metrics/nutcracker-stats.ts";
import { mapStatsMemory, StatsReader } from "../metrics/stats-memory.ts";
import { assumeIdentity } from "../os/identity.ts";
import { openProcessLog } from "../os/log-output.ts";
import { hearParentDeath } from "../os/process.ts";
import type { Tokens } from "./access.ts";
import { AdminPages, type AdminPagesOptions } from "./admin-pages.ts";
import { AskSupervisor } from "./ask-supervisor.ts";
import { CpuBudget } from "./cpu-budget.ts";
import { createHttpPort, type HttpPort } from "./http-port.ts";
import { OverviewLooks } from "./overview/looks.ts";
import { OverviewTexts } from "./overview/overview.ts";
import { createStatsPort, type StatsPort } from "./stats-port.ts";

/** A shorter token can be guessed. */
const TOKEN_LENGTH_MIN = 16;
/** Of the admin process: workers go before it, and it is not starved. */
const NICENESS = 5;

type Start = Extract<ToAdmin, { readonly type: "start" }>;

export class Admin {
  #source: StatsSource | null = null;
  /** What was shown last, and when it was made, by a monotonic clock. */
  #shown: { readonly line: string; readonly madeMs: number } | null = null;
  #statsPort: { readonly fd: number; readonly port: StatsPort } | null = null;
  #httpPort: HttpPort | null = null;
  #pages: AdminPages | null = null;
  #overview: OverviewTexts | null = null;
  #log: Logger | null = null;
  readonly #budget: CpuBudget = new CpuBudget({
    usedMs: cpuTimeMs,
    nowMs: () => performance.now(),
  });
  readonly #supervisor: AskSupervisor;
  readonly #supervisorPid = process.ppid;
  readonly #exit: (code: number) => void;

  /**
   * @param send to the supervisor
   * @param exit ends the process; it is called at most with 0 (told to stop) or 1 (cannot serve, the reason is logged)
   */
  constructor(send: (question: FromAdmin) => void, exit: (code: number) => void) {
    this.#supervisor = new AskSupervisor(send);
    this.#exit = exit;
  }

  handle(message: ToAdmin): void {
    switch (message.type) {
      case "start":
        this.#start(message);
        break;
      case "stop":
        this.#statsPort?.port.close();
        this.#httpPort?.close();
        this.#overview?.close();
        this.#exit(0);
        break;
      case "status":
        if (message.stats !== undefined && this.#source !== null) {
          this.#source = { ...this.#source, layout: message.stats };
        }
        this.#supervisor.onAnswer(message);
        break;
      case "seen":
        this.#supervisor.onSeen(message);
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
      const { tokenFile = null, leversTokenFile = null } = start.config.admin ?? {};
      const tokens = {
        look: this.#readToken(tokenFile),
        levers: this.#readToken(leversTokenFile),
      };
      // Only the first start can: later ones find it done.
      if (start.runAs !== undefined && process.getuid?.() !== start.runAs.uid) {
        assumeIdentity(start.runAs);
      }
      if (!hearParentDeath("SIGTERM", this.#supervisorPid)) this.#exit(0);
      this.#serve(start.statsListenFd);
      this.#serveHttp(start, tokens);
      yieldToWorkers();
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
      onError: (error) =>
        this.#log?.error(`statistics port: ${error.message}`, { event: "port_failed" }),
    });
    this.#statsPort = { fd, port };
  }

  /** "": there is none; null: it cannot be read, so no request has the right one. */
  #readToken(file: string | null): string | null {
    if (file === null) return "";
    try {
      const token = readFileSync(file, "utf8").trim();
      if (token.length >= TOKEN_LENGTH_MIN) return token;
      this.#log?.error(
        `admin: ${file} must hold a token of ${TOKEN_LENGTH_MIN} characters or more; what needs it is refused`,
        { event: "admin_token_is_unusable" },
      );
    } catch (error) {
      this.#log?.error(
        `admin: the token cannot be read, so what needs it is refused: ${(error as Error).message}`,
        { event: "admin_token_is_unusable" },
      );
    }
    return null;
  }

  #serveHttp(start: Start, tokens: Tokens): void {
    const { adminListenFd: fd = null, config, version, startedAtMs } = start;
    if (fd === null) return;
    const source = { config, version, startedAtMs };
    this.#supervisor.setLooks(start.looks);
    this.#supervisor.setOrders(start.orders);
    const layout = (): StatsLayout => this.#source!.layout;
    // Of these pages alone: what it has read is valid until it reads again.
    const figures = new StatsReader(STATS_FD);
    const asked: Pick<AdminPagesOptions, "ask" | "look" | "events" | "read" | "nowMs"> = {
      ask: () => this.#supervisor.ask(directoryOf(layout()).blocks.length),
      look: (look) => this.#supervisor.look(look),
      events: () => this.#supervisor.events,
      read: () => ({ layout: layout(), memory: figures.read(layout()) }),
      nowMs: () => performance.now(),
    };
    const reader = new StatsReader(STATS_FD);
    const again = { ...asked, read: () => ({ layout: layout(), memory: reader.read(layout()) }) };
    this.#overview ??= this.#startOverview(again, start.historyFd ?? null);
    const overview = this.#overview;
    this.#pages = new AdminPages({
      ...{ ...asked, source, tokens },
      order: (order, by) => this.#supervisor.order(order, by),
      overview: (isWhole) => overview.text(isWhole),
    });
    this.#httpPort ??= createHttpPort({
      fd,
      answer: (request) => this.#pages!.answer(request),
      turn: () => this.#budget.turn(),
      onError: (error) =>
        this.#log?.error(`admin port: ${error.message}`, { event: "port_failed" }),
    });
  }

  #startOverview(
    asked: Pick<AdminPagesOptions, "ask" | "look" | "events" | "read" | "nowMs">,
    historyFd: number | null,
  ): OverviewTexts {
    const overview = new OverviewTexts({
      ...asked,
      historyFd,
      config: () => this.#source!.config,
      looks: new OverviewLooks(asked.look, asked.nowMs),
      epochMs: () => Date.now(),
      onError: (error) =>
        this.#log?.error(`the page's last minutes: ${error.message}`, { event: "history_failed" }),
    });
    overview.start();
    return overview;
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

function cpuTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function yieldToWorkers(): void {
  try {
    setPriority(NICENESS);
  } catch {
    // It runs as it is.
  }
}
