/**
 * What workers and the supervisor are asked for the page: once in OVERVIEW_LOOK_MS for all viewers, and only while there are any. An answer
 * is waited for by none of them: it is shown when it is there.
 */
import type { ControlResult } from "../../api/control-socket.ts";
import type { ClientRow, SlowEntry } from "../../api/inspection.ts";
import type { ClientsShown } from "../../api/overview.ts";
import { type AskLook, LOOKS } from "../looks.ts";

export interface Seen {
  readonly clients: ClientsShown | null;
  readonly slow: readonly SlowEntry[];
  readonly looks: Readonly<Record<string, unknown>>;
}

/** It is asked at most so often, and only while the page is looked at. */
export const OVERVIEW_LOOK_MS = 5_000;

const NOTHING: Seen = { clients: null, slow: [], looks: {} };
/** What is older is not shown any more. */
const STALE_MS = 4 * OVERVIEW_LOOK_MS;
/** Clients are asked for in two orders, since neither the most requests nor the most bytes need be the noisiest now. */
const CLIENT_ORDERS = ["requests", "sent", "owed"] as const;
const CLIENTS_ASKED = 100;
const CLIENTS_SHOWN = 30;
const SLOW_SHOWN = 40;
const FURTHER_SHOWN = 20;

export class OverviewLooks {
  readonly #ask: AskLook;
  readonly #nowMs: () => number;
  #seen: Seen = NOTHING;
  #askedMs = Number.NEGATIVE_INFINITY;
  #seenMs = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  /** By id: the requests of clients when they were seen last. */
  #before: ReadonlyMap<number, number> = new Map();
  #beforeMs = 0;

  /** @param nowMs a monotonic clock */
  constructor(ask: AskLook, nowMs: () => number) {
    this.#ask = ask;
    this.#nowMs = nowMs;
  }

  /** What was seen last; asks again when that is a while ago. */
  seen(): Seen {
    const nowMs = this.#nowMs();
    if (!this.#isAsking && nowMs - this.#askedMs >= OVERVIEW_LOOK_MS) {
      this.#askedMs = nowMs;
      this.#isAsking = true;
      void this.#look();
    }
    return nowMs - this.#seenMs > STALE_MS ? NOTHING : this.#seen;
  }

  async #look(): Promise<void> {
    try {
      const [slow, clients, looks] = await Promise.all([
        this.#ask({ verb: "slowlog", after: 0, count: SLOW_SHOWN, pool: null }),
        this.#clients(),
        this.#further(),
      ]);
      const entries = slow?.ok === true && slow.verb === "slowlog" ? slow.report.entries : [];
      this.#seen = { clients, slow: entries, looks };
      this.#seenMs = this.#nowMs();
    } finally {
      this.#isAsking = false;
    }
  }

  async #clients(): Promise<ClientsShown | null> {
    const filter = { pool: null, address: null, name: null, user: null, state: null };
    const rows = new Map<number, ClientRow>();
    let total = 0;
    for (const order of CLIENT_ORDERS) {
      const query = { ...filter, order, limit: CLIENTS_ASKED };
      const result = await this.#ask({ verb: "clients", query });
      if (result?.ok !== true || result.verb !== "clients") return null;
      total = result.report.total;
      for (const row of result.report.rows) rows.set(row.id, row);
      // All there are have come.
      if (result.report.rows.length < CLIENTS_ASKED) break;
    }
    return { total, rows: this.#rated([...rows.values()]) };
  }

  /** With how many requests each sends in a second: since it was seen last, or else since it came. */
  #rated(rows: readonly ClientRow[]): ClientsShown["rows"] {
    const nowMs = this.#nowMs();
    const rated = rows.map((row) => {
      const before = this.#before.get(row.id);
      const sinceMs = before === undefined ? row.ageMs : nowMs - this.#beforeMs;
      const grown = row.requests - (before ?? 0);
      return { ...row, rate: (Math.max(0, grown) * 1000) / Math.max(1, sinceMs) };
    });
    this.#before = new Map(rows.map(({ id, requests }) => [id, requests]));
    this.#beforeMs = nowMs;
    return rated
      .sort((a, b) => b.rate - a.rate || b.owed - a.owed)
      .filter(({ owed }, index) => index < CLIENTS_SHOWN || owed > 0)
      .filter((_, index) => index < CLIENTS_ASKED);
  }

  async #further(): Promise<Seen["looks"]> {
    const reports: [string, unknown][] = [];
    for (const [path, read] of LOOKS) {
      if (path === "/clients" || path === "/slowlog") continue;
      const look = read(new Map([["limit", `${FURTHER_SHOWN}`]]));
      const result: ControlResult | null = typeof look === "string" ? null : await this.#ask(look);
      if (result?.ok === true && "report" in result) reports.push([path, result.report]);
    }
    return Object.fromEntries(reports);
  }
}
