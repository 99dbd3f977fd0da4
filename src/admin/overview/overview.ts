/**
 * The text of `/overview`: made once a second however many ask, and only when one does. What was counted is looked at each second in any
 * case, so that a page that is just opened has the last minutes.
 */
import type { Config } from "../../api/config.ts";
import type { AdminStatus } from "../../api/control.ts";
import type { ProxyEvent } from "../../api/control-socket.ts";
import type { Overview, ProcessRow } from "../../api/overview.ts";
import type { StatsLayout } from "../../api/stats.ts";
import { EVENTS_SHOWN_MAX } from "../../base/page-limits.ts";
import { readCounters, readSets } from "../../metrics/read-counters.ts";
import { type ProcessFacts, readProcess } from "../../os/process-facts.ts";
import { reasonsAgainst } from "../readiness.ts";
import { findingsIn } from "./findings.ts";
import { History, readHistory, saveHistory } from "./history.ts";
import type { OverviewLooks } from "./looks.ts";
import { marked } from "./marks.ts";
import { allRow, familyRows, pointOf, poolRows, serverRows } from "./rows.ts";
import { type Sample, Span, takeSample } from "./sample.ts";

export interface OverviewOptions {
  readonly config: () => Config;
  /** The statistics memory as it is now. */
  readonly read: () => { readonly layout: StatsLayout; readonly memory: Float64Array };
  /** What the supervisor says; null: it does not answer. */
  readonly ask: () => Promise<AdminStatus | null>;
  /** The latest last; those that came with an answer of the supervisor. */
  readonly events: () => readonly ProxyEvent[];
  readonly looks: OverviewLooks;
  /** Of memory that outlives this process, see history.ts; null: there is none. */
  readonly historyFd: number | null;
  /** A monotonic clock, and that of the system. */
  readonly nowMs: () => number;
  readonly epochMs: () => number;
  readonly onError: (error: Error) => void;
}

/** What was counted is looked at so often. */
const OVERVIEW_STEP_MS = 1_000;
/** Looks that the tables are about: seconds. */
const OVERVIEW_WINDOW = 10;
/** Points that an answer without history has: as many seconds may a viewer miss. */
const RECENT_POINTS = 15;
/** Each so many points the history is saved; what comes behind is lost with a process that is killed. */
const SAVED_EACH = 5;

type Text = Promise<Buffer>;

/** What is shown of one second. */
interface Second {
  readonly atMs: number;
  readonly recent: Text | null;
  readonly whole: Text | null;
  readonly tables: Promise<Omit<Overview, "points">>;
}

export class OverviewTexts {
  readonly #options: OverviewOptions;
  readonly #history: History;
  /** The latest last; the first is as old as the window. */
  readonly #samples: Sample[] = [];
  #second: Second | null = null;
  #ticks = 0;
  #isFailing = false;
  #timer: Timer | undefined;
  /** CPU time of processes when it was looked at last, and when that was. */
  #cpu: ReadonlyMap<number, { readonly facts: ProcessFacts; readonly atMs: number }> = new Map();

  constructor(options: OverviewOptions) {
    this.#options = options;
    this.#history = new History(this.#restored());
  }

  start(): void {
    this.tick();
    this.#timer = setInterval(() => this.tick(), OVERVIEW_STEP_MS);
  }

  /** The last points are saved. */
  close(): void {
    clearInterval(this.#timer);
    this.#save();
  }

  /** @param isWhole with all points that are kept */
  text(isWhole: boolean): Text {
    const atMs = this.#options.epochMs();
    const second: Second = this.#second ?? {
      ...{ atMs, recent: null, whole: null },
      tables: this.#tables(atMs),
    };
    const known = isWhole ? second.whole : second.recent;
    const made = known ?? this.#render(second, isWhole);
    this.#second = { ...second, [isWhole ? "whole" : "recent"]: made };
    return made;
  }

  /** Looks at what was counted. */
  tick(): void {
    this.#second = null;
    try {
      this.#sample();
      this.#ticks += 1;
      if (this.#ticks % SAVED_EACH === 0) this.#save();
      this.#isFailing = false;
    } catch (error) {
      // Once: it may fail each second from now on.
      if (!this.#isFailing) this.#options.onError(error as Error);
      this.#isFailing = true;
    }
  }

  #sample(): void {
    const { config, read, nowMs, epochMs } = this.#options;
    const counted = read();
    const pools = readCounters(config(), counted);
    const sample = takeSample({ pools, sets: readSets(counted), ...counted }, nowMs());
    const before = this.#samples.at(-1);
    if (before !== undefined) this.#history.add(pointOf(new Span(before, sample), epochMs()));
    this.#samples.push(sample);
    if (this.#samples.length > OVERVIEW_WINDOW + 1) this.#samples.shift();
  }

  async #render({ tables }: Second, isWhole: boolean): Text {
    const points = isWhole ? this.#history.points : this.#history.last(RECENT_POINTS);
    // In this order: the points are those of now.
    const text = JSON.stringify(points);
    const shown = JSON.stringify(await tables);
    return Buffer.from(`${shown.substring(0, shown.length - 1)},"points":${text}}\n`);
  }

  async #tables(atMs: number): Promise<Omit<Overview, "points">> {
    const { ask, events, looks, config } = this.#options;
    const answer = await ask();
    const seen = looks.seen();
    const { processes: known, ...rest } = answer ?? { processes: [] };
    const status = answer === null ? null : (rest as Overview["status"]);
    const now = this.#samples.at(-1)!;
    const last = new Span(this.#samples.at(-2) ?? now, now);
    const span = new Span(this.#samples[0]!, now);
    const processes = this.#processRows(known, last);
    const pools = poolRows(span, config());
    const servers = serverRows(span);
    const { clients } = seen;
    const reasons = reasonsAgainst(answer, now.pools);
    const found = { atMs, status, reasons, processes, pools, clients };
    return {
      ...{ atMs, status, processes, pools, ...seen },
      findings: findingsIn({ ...found, servers: servers.rows, looks: seen.looks }),
      all: allRow(span),
      servers: servers.rows,
      serversTotal: servers.total,
      families: familyRows(span),
      events: events()
        .filter((_, index, all) => index >= all.length - EVENTS_SHOWN_MAX)
        .map(marked),
    };
  }

  #processRows(known: AdminStatus["processes"], last: Span): ProcessRow[] {
    const atMs = this.#options.nowMs();
    const before = this.#cpu;
    const now = new Map<number, { readonly facts: ProcessFacts; readonly atMs: number }>();
    const rows = known.map((process) => {
      const { pid, role, name, state } = process;
      const facts = pid === null ? null : readProcess(pid);
      const old = pid === null ? undefined : before.get(pid);
      if (pid !== null && facts !== null) now.set(pid, { facts, atMs });
      const cpu =
        facts === null || old === undefined || old.atMs === atMs
          ? null
          : ((facts.cpuSeconds - old.facts.cpuSeconds) * 1000) / (atMs - old.atMs);
      const slot = role === "worker" && state !== "gone" ? /\/(\d+)$/.exec(name)?.[1] : undefined;
      const rate = slot === undefined ? 0 : last.slotRate(Number(slot));
      return { ...process, rate, cpu, residentBytes: facts?.residentBytes ?? null };
    });
    this.#cpu = now;
    return rows;
  }

  #restored(): Overview["points"] {
    const { historyFd, onError } = this.#options;
    if (historyFd === null) return [];
    try {
      return readHistory(historyFd);
    } catch (error) {
      onError(error as Error);
      return [];
    }
  }

  #save(): void {
    const { historyFd, onError } = this.#options;
    if (historyFd === null) return;
    try {
      saveHistory(historyFd, this.#history.points);
    } catch (error) {
      onError(error as Error);
    }
  }
}
