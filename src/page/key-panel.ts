/** Keys that stand out: those that most requests ask for, and large ones. A proxy that does not count them has no such panels. */
import type { Overview } from "../api/overview.ts";
import { meter } from "./cells.ts";
import { byId } from "./dom.ts";
import { formatBytes, formatCount, formatShare, formatTime } from "./format.ts";
import { Table } from "./table.ts";

/** What is shown of a row of `/hotkeys`. */
interface HotKey {
  readonly pool: string;
  readonly key: string;
  readonly command: string;
  readonly server: string | null;
  readonly perSecond: number;
  /** Of all requests of the pool: 0 … 1. */
  readonly share: number;
}

/** What is shown of a row of `/bigkeys`. */
interface BigKey {
  readonly pool: string;
  readonly key: string;
  readonly command: string;
  readonly server: string | null;
  readonly bytes: number;
  readonly elements: number | null;
  readonly seen: number;
  readonly atMs: number;
  readonly address: string;
}

const HOT_SHARE = 0.2;

export class HotKeyPanel {
  readonly #table: Table<HotKey> = new Table<HotKey>(byId("hotkeys"), {
    columns: [
      { ...{ label: "key", kind: "text", width: 34 }, show: ({ key }) => key },
      { label: "pool", show: ({ pool }) => pool, isExtra: true },
      { label: "server", show: ({ server }) => server ?? "–" },
      { label: "command", show: ({ command }) => command },
      {
        ...{ label: "req/s", kind: "number" },
        show: ({ perSecond }) => formatCount(perSecond),
        by: ({ perSecond }) => perSecond,
      },
      {
        ...{ label: "of pool", kind: "number", title: "Share of the pool's requests" },
        show: ({ share }) => meter(formatShare(share), share, share >= HOT_SHARE),
        by: ({ share }) => share,
      },
    ],
    keyOf: ({ pool, key }) => `${pool}\n${key}`,
    classOf: ({ share }) => (share >= HOT_SHARE ? "warn" : ""),
    empty: "No key was asked for lately.",
  });

  show({ looks }: Overview, pool: string): void {
    const rows = rowsIn<HotKey>(looks["/hotkeys"], pool);
    byId("hotkeys").hidden = rows === null;
    this.#table.show(rows ?? []);
  }
}

export class BigKeyPanel {
  readonly #table: Table<BigKey> = new Table<BigKey>(byId("bigkeys"), {
    columns: [
      { ...{ label: "key", kind: "text", width: 34 }, show: ({ key }) => key },
      { label: "pool", show: ({ pool }) => pool, isExtra: true },
      { label: "server", show: ({ server }) => server ?? "–" },
      { label: "command", show: ({ command }) => command },
      {
        ...{ label: "size", kind: "number" },
        show: ({ bytes }) => (bytes === 0 ? "–" : formatBytes(bytes)),
        by: ({ bytes }) => bytes,
      },
      {
        ...{ label: "elements", kind: "number" },
        show: ({ elements }) => (elements === null ? "–" : formatCount(elements)),
        by: ({ elements }) => elements ?? 0,
      },
      {
        ...{ label: "seen", kind: "number", isExtra: true, title: "Times that it was noticed" },
        show: ({ seen }) => formatCount(seen),
        by: ({ seen }) => seen,
      },
      { label: "last", show: ({ atMs }) => formatTime(atMs), by: ({ atMs }) => atMs },
      {
        ...{ label: "client", kind: "text", width: 22, isExtra: true },
        show: ({ address }) => address,
      },
    ],
    keyOf: ({ pool, key }) => `${pool}\n${key}`,
    empty: "No large key was noticed.",
  });

  show({ looks }: Overview, pool: string): void {
    const rows = rowsIn<BigKey>(looks["/bigkeys"], pool);
    byId("bigkeys").hidden = rows === null;
    this.#table.show(rows ?? []);
  }
}

/** Null: there is no such report. */
function rowsIn<Row extends { readonly pool: string }>(
  report: unknown,
  pool: string,
): readonly Row[] | null {
  if (typeof report !== "object" || report === null || !("rows" in report)) return null;
  const rows = report.rows as readonly Row[];
  return rows.filter((row) => pool === "" || row.pool === pool);
}
