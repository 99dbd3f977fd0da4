/** The servers: which of them is in trouble, and which is slow. */
import type { Overview, Point, ServerRow } from "../api/overview.ts";
import { meter, sparkline, state } from "./cells.ts";
import { byId } from "./dom.ts";
import { formatAge, formatCount, formatMicroseconds } from "./format.ts";
import { Table } from "./table.ts";

const SPARK_SECONDS = 60;

export class ServerPanel {
  readonly #table: Table<ServerRow>;
  #points: readonly Point[] = [];
  #atMs = 0;
  #slowest = 1;
  #slow: ReadonlySet<string> = new Set();

  constructor() {
    this.#table = new Table<ServerRow>(byId("servers"), {
      columns: [
        { label: "pool", show: ({ pool }) => pool, by: ({ pool }) => pool, isExtra: true },
        {
          ...{ label: "server", kind: "name" },
          show: ({ server }) => server,
          by: ({ server }) => server,
        },
        { label: "state", show: (row) => this.#state(row), by: (row) => this.#rank(row) },
        {
          ...{ label: "req/s", kind: "number" },
          show: ({ rate }) => formatCount(rate),
          by: ({ rate }) => rate,
        },
        {
          ...{ label: "fail/s", kind: "number", title: "Timeouts and broken connections a second" },
          show: ({ errorRate }) => formatCount(errorRate),
          by: ({ errorRate }) => errorRate,
        },
        {
          ...{
            label: "p50",
            kind: "number",
            isExtra: true,
            title: "Half of its replies came sooner",
          },
          show: ({ p50 }) => formatMicroseconds(p50),
          by: ({ p50 }) => p50,
        },
        {
          ...{ label: "p99", kind: "number", title: "99 % of its replies came sooner" },
          show: (row) =>
            meter(formatMicroseconds(row.p99), row.p99 / this.#slowest, this.#isSlow(row)),
          by: ({ p99 }) => p99,
        },
        {
          ...{ label: "max", kind: "number", isExtra: true },
          show: ({ max }) => formatMicroseconds(max),
          by: ({ max }) => max,
        },
        {
          ...{ label: "queue p99", kind: "number", isExtra: true },
          title: "Time until a request was sent to it",
          show: ({ queueP99 }) => formatMicroseconds(queueP99),
          by: ({ queueP99 }) => queueP99,
        },
        {
          ...{ label: "open", kind: "number", title: "Requests that wait for it now" },
          show: ({ queued, awaited }) => formatCount(queued + awaited),
          by: ({ queued, awaited }) => queued + awaited,
        },
        {
          ...{ label: "conns", kind: "number", isExtra: true },
          show: ({ connections }) => `${connections}`,
          by: ({ connections }) => connections,
        },
        {
          ...{ label: "p99, last minute", isExtra: true },
          show: (row) => sparkline(this.#minuteOf(row)),
        },
      ],
      keyOf,
      classOf: (row) => (row.trouble !== null ? "bad" : this.#isSlow(row) ? "warn" : ""),
      empty: "No server is configured.",
    });
  }

  /** @param points of the last minute. @param pool "": all of them */
  show(
    { servers, serversTotal, atMs, findings }: Overview,
    points: readonly Point[],
    pool: string,
  ): void {
    this.#points = points.filter((_, index) => index >= points.length - SPARK_SECONDS);
    this.#atMs = atMs;
    this.#slowest = Math.max(1, ...servers.map(({ p99 }) => p99));
    const texts = findings.map(({ text }) => text);
    this.#slow = new Set(
      servers
        .filter(({ pool: of, server }) =>
          texts.some((text) => text.startsWith(`${of}: server ${server} is slow`)),
        )
        .map(keyOf),
    );
    const shown = servers.filter((row) => pool === "" || row.pool === pool);
    const left = serversTotal - servers.length;
    this.#table.show(shown, left > 0 ? `and ${left} more` : "");
  }

  #isSlow(row: ServerRow): boolean {
    return this.#slow.has(keyOf(row));
  }

  #rank(row: ServerRow): number {
    if (row.trouble !== null) return 2;
    return this.#isSlow(row) ? 1 : 0;
  }

  #state(row: ServerRow): (cell: HTMLElement) => void {
    if (row.trouble === null) {
      return this.#isSlow(row) ? state("slow", "warn") : state("well", "good");
    }
    const { kind, sinceMs, ejectedBy, state: health = null } = row.trouble;
    const age = formatAge(this.#atMs - sinceMs);
    const isOut = health === "down" || health === "probing";
    const word = ejectedBy > 0 ? "ejected" : isOut ? health : (kind ?? "trouble");
    return state(`${word} ${age}`, "bad");
  }

  #minuteOf(row: ServerRow): (number | null)[] {
    return this.#points.map(({ servers }) => {
      const numbers = Object.hasOwn(servers, keyOf(row)) ? servers[keyOf(row)] : undefined;
      const p99 = numbers?.[1] ?? 0;
      return p99 === 0 ? null : p99;
    });
  }
}

function keyOf({ pool, server }: ServerRow): string {
  return `${pool}\n${server}`;
}
