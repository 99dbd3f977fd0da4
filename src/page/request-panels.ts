/** The slow log, the clients, and pools with their families of commands. */
import type { SlowEntry } from "../api/inspection.ts";
import type { ClientsShown, FamilyRow, Overview, PoolRow, RateRow } from "../api/overview.ts";
import { meter, orderButton, state } from "./cells.ts";
import { byId } from "./dom.ts";
import { formatAge, formatBytes, formatCount, formatMicroseconds, formatTime } from "./format.ts";
import type { Order, Orders } from "./orders.ts";
import { type Column, Table } from "./table.ts";

type ClientRow = ClientsShown["rows"][number];

export class SlowPanel {
  readonly #table: Table<SlowEntry> = new Table<SlowEntry>(byId("slow"), {
    columns: [
      { label: "at", show: ({ atMs }) => formatTime(atMs), by: ({ atMs }) => atMs },
      {
        ...{ label: "total", kind: "number" },
        show: ({ totalUs }) => formatMicroseconds(totalUs),
        by: ({ totalUs }) => totalUs,
      },
      {
        ...{ label: "queued", kind: "number", isExtra: true, title: "Until the request was sent" },
        show: ({ queueUs }) => formatMicroseconds(queueUs),
        by: ({ queueUs }) => queueUs ?? 0,
      },
      {
        ...{
          label: "at server",
          kind: "number",
          isExtra: true,
          title: "From sending the request until its reply",
        },
        show: ({ serverUs }) => formatMicroseconds(serverUs),
        by: ({ serverUs }) => serverUs ?? 0,
      },
      {
        ...{ label: "server", kind: "name" },
        show: ({ server }) => server ?? "–",
        by: ({ server }) => server ?? "",
      },
      { label: "command", show: ({ command }) => (command === "" ? "?" : command) },
      {
        ...{ label: "key", kind: "text", width: 22 },
        show: ({ key, failure }) => failure ?? key ?? "–",
      },
      {
        ...{ label: "reply", kind: "number", isExtra: true },
        show: ({ replyBytes }) => formatBytes(replyBytes),
        by: ({ replyBytes }) => replyBytes,
      },
      {
        ...{ label: "client", kind: "text", width: 24, isExtra: true },
        show: ({ address, name }) => (name === "" ? address : `${name} ${address}`),
      },
    ],
    keyOf: ({ number }) => `${number}`,
    empty: "No request was slow lately.",
  });

  /** @param pool "": all of them */
  show({ slow }: Overview, pool: string): void {
    const shown = slow.filter((entry) => pool === "" || entry.pool === pool).toReversed();
    this.#table.show(shown, shown.length === 0 ? "" : "the latest first");
  }
}

export class ClientPanel {
  #most = 1;
  readonly #table: Table<ClientRow>;

  constructor(orders: Orders) {
    this.#table = new Table<ClientRow>(byId("clients"), {
      columns: [
        { ...{ label: "client", kind: "name" }, show: ({ address }) => address },
        {
          ...{ label: "name", kind: "name" },
          show: ({ name }) => (name === "" ? "–" : name),
        },
        { label: "pool", show: ({ pool }) => pool, isExtra: true },
        {
          ...{ label: "req/s", kind: "number" },
          show: ({ rate }) => meter(formatCount(rate), rate / this.#most),
          by: ({ rate }) => rate,
        },
        {
          ...{ label: "sent to it", kind: "number" },
          show: ({ sent }) => formatBytes(sent),
          by: ({ sent }) => sent,
        },
        {
          ...{
            label: "unread",
            kind: "number",
            isExtra: true,
            title: "Replies that it does not take",
          },
          show: ({ owed }) => formatBytes(owed),
          by: ({ owed }) => owed,
        },
        { label: "state", show: ({ state: now }) => state(now, now === "unread" ? "warn" : "") },
        {
          ...{ label: "age", kind: "number", isExtra: true },
          show: ({ ageMs }) => formatAge(ageMs),
          by: ({ ageMs }) => ageMs,
        },
        {
          ...{ label: "disconnect", kind: "order" },
          show: (row) =>
            orderButton("Kick", `Disconnect ${nameOf(row)}`, () => orders.ask(kickOf(row))),
        },
      ],
      keyOf: ({ id }) => `${id}`,
      empty: "No client is known yet.",
    });
  }

  show({ clients }: Overview, pool: string): void {
    const rows = (clients?.rows ?? []).filter((row) => pool === "" || row.pool === pool);
    this.#most = Math.max(1, ...rows.map(({ rate }) => rate));
    const total = clients?.total ?? 0;
    this.#table.show(rows, total > rows.length ? `the busiest of ${total}` : "the busiest first");
  }
}

function nameOf({ address, name }: ClientRow): string {
  return name === "" ? `client ${address}` : `client ${address} (${name})`;
}

function kickOf(row: ClientRow): Order {
  return {
    ...{ path: "kick", words: { client: row.id } },
    ...{ question: "Disconnect this client?", verb: "Disconnect" },
    meaning: `${nameOf(row)} of pool ${row.pool} is disconnected at once; it may come back.`,
  };
}

type PoolLine = RateRow & { readonly name: string; readonly detail: string };

export class PoolPanel {
  readonly #table: Table<PoolLine> = new Table<PoolLine>(byId("pools"), {
    columns: [
      { ...{ label: "pool, command family", kind: "name" }, show: ({ name }) => name },
      {
        ...{ label: "listens on", kind: "name", isExtra: true },
        show: ({ detail }) => detail,
      },
      numberColumn("req/s", ({ rate }) => rate, formatCount),
      numberColumn("err/s", ({ errorRate }) => errorRate, formatCount),
      numberColumn("p50", ({ p50 }) => p50, formatMicroseconds),
      numberColumn("p90", ({ p90 }) => p90, formatMicroseconds, true),
      numberColumn("p99", ({ p99 }) => p99, formatMicroseconds),
      numberColumn("max", ({ max }) => max, formatMicroseconds, true),
    ],
    keyOf: ({ name }) => name,
    classOf: ({ errorRate }) => (errorRate > 0 ? "bad" : ""),
    empty: "There is no pool.",
  });

  show({ pools, families }: Overview, pool: string): void {
    const shown = pools.filter((row) => pool === "" || row.pool === pool);
    this.#table.show(shown.flatMap((row) => [lineOf(row), ...familiesOf(row, families)]));
  }
}

function lineOf(row: PoolRow): PoolLine {
  return { ...row, name: row.pool, detail: `${row.listen} ${row.protocol}` };
}

function familiesOf({ pool }: PoolRow, families: readonly FamilyRow[]): PoolLine[] {
  return families
    .filter((row) => row.pool === pool)
    .map((row) => ({ ...row, name: `${pool} · ${row.family}`, detail: "" }));
}

function numberColumn(
  label: string,
  by: (row: PoolLine) => number,
  format: (value: number) => string,
  isExtra = false,
): Column<PoolLine> {
  return { label, kind: "number", isExtra, by, show: (row) => format(by(row)) };
}
