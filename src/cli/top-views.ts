/** What `proxy top` shows besides rates and percentiles: clients, keys, processes. */
import { processLabel } from "../api/control-socket.ts";
import type { ClientRow } from "../api/inspection.ts";
import type { BigKeyRow, HotKeyRow } from "../api/key-report.ts";
import { formatAge, formatBytes } from "./figures.ts";
import { formatKey } from "./key-text.ts";
import { formatTable } from "./table.ts";
import { formatRate } from "./top-figures.ts";
import type { Look } from "./top-look.ts";

export const VIEWS = ["all", "clients", "keys", "workers"] as const;
export type View = (typeof VIEWS)[number];

/** A client with what it did between two looks, per second. */
export interface ClientRate {
  readonly row: ClientRow;
  readonly rate: number;
  /** Of the requests of all clients that were told of: 0 … 1. */
  readonly share: number;
  readonly receivedRate: number;
  readonly sentRate: number;
}

export interface WorkerRate {
  readonly name: string;
  readonly pid: number | null;
  readonly state: string;
  readonly clients: number;
  /** Share of a core; null: it cannot be seen from here, or it is new. */
  readonly cpu: number | null;
  readonly residentBytes: number | null;
  readonly respawns: number;
  readonly ageMs: number | null;
}

const NAME_LENGTH_MAX = 20;
const KEY_LENGTH_MAX = 40;

/** The busiest first. */
export function clientRates(before: Look, now: Look): ClientRate[] {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const known = new Map((before.clients?.rows ?? []).map((row) => [row.id, row]));
  const rated = (now.clients?.rows ?? []).map((row) => {
    const old = known.get(row.id);
    // One that was not told of before has either just come or just become busy: since it came is the least that is known.
    const since = old === undefined ? Math.max(seconds, row.ageMs / 1000) : seconds;
    const grown = (name: "requests" | "received" | "sent"): number =>
      Math.max(0, row[name] - (old?.[name] ?? 0)) / since;
    const [rate, receivedRate, sentRate] = [grown("requests"), grown("received"), grown("sent")];
    return { row, rate, share: 0, receivedRate, sentRate };
  });
  const all = rated.reduce((sum, { rate }) => sum + rate, 0);
  return rated
    .map((client) => ({ ...client, share: all === 0 ? 0 : client.rate / all }))
    .sort((a, b) => b.rate - a.rate || b.row.owed - a.row.owed);
}

export function workerRates(before: Look, now: Look): WorkerRate[] {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  return now.status.processes.map((process) => {
    const { pid, state, clients, respawns, ageMs } = process;
    const name = processLabel(process);
    const facts = pid === null ? undefined : now.facts.get(pid);
    const old = pid === null ? undefined : before.facts.get(pid);
    const cpu =
      facts === undefined || old === undefined
        ? null
        : Math.max(0, facts.cpuSeconds - old.cpuSeconds) / seconds;
    const residentBytes = facts?.residentBytes ?? null;
    return { name, pid, state, clients, cpu, residentBytes, respawns, ageMs };
  });
}

/** Lines of a table, its heading first. */
export function clientLines(clients: readonly ClientRate[]): string[] {
  const heading = [
    "address",
    "name",
    "pool",
    "req/s",
    "share",
    "in/s",
    "out/s",
    "unread",
    "wait",
    "state",
  ];
  const rows = clients.map(({ row, rate, share, receivedRate, sentRate }) => [
    ...[row.address, nameOf(row), row.pool, formatRate(rate), percent(share)],
    ...[formatBytes(Math.round(receivedRate)), formatBytes(Math.round(sentRate))],
    ...[formatBytes(row.owed), waitOf(row), row.state],
  ]);
  return formatTable([heading, ...rows], [3, 4, 5, 6, 7, 8]);
}

export function keyLines(hot: readonly HotKeyRow[], big: readonly BigKeyRow[]): string[] {
  const hotRows = hot.map(({ key, server, pool, command, perSecond, share }) => [
    ...[shortKey(key), server ?? "-", pool, command, formatRate(perSecond), percent(share)],
  ]);
  const bigRows = big.map(({ key, server, pool, command, bytes, elements, address }) => [
    ...[shortKey(key), server ?? "-", pool, command, bytes === 0 ? "-" : formatBytes(bytes)],
    ...[elements === null ? "-" : `${elements}`, address],
  ]);
  const hotHeading = ["hot key", "server", "pool", "command", "req/s", "of pool"];
  const bigHeading = ["big key", "server", "pool", "command", "bytes", "elements", "client"];
  return [
    ...formatTable([hotHeading, ...hotRows], [4, 5]),
    ...(hot.length === 0 ? ["no key was asked for lately"] : []),
    "",
    ...formatTable([bigHeading, ...bigRows], [4, 5]),
    ...(big.length === 0 ? ["no large key was noticed"] : []),
  ];
}

export function workerLines(workers: readonly WorkerRate[]): string[] {
  const heading = ["process", "pid", "state", "clients", "CPU", "memory", "age", "replaced"];
  const rows = workers.map(({ name, pid, state, clients, cpu, residentBytes, respawns, ageMs }) => [
    ...[name, pid === null ? "-" : `${pid}`, state, `${clients}`],
    ...[cpu === null ? "-" : percent(cpu)],
    ...[residentBytes === null ? "-" : formatBytes(residentBytes)],
    ...[ageMs === null ? "-" : formatAge(ageMs), `${respawns}`],
  ]);
  return formatTable([heading, ...rows], [1, 3, 4, 5, 6, 7]);
}

/** Who has the most of everything, one line each: what a reader looks for first. */
export function leaders(clients: readonly ClientRate[], { hot, big }: Look): string[] {
  const lines: string[][] = [];
  const [busiest] = clients;
  if (busiest !== undefined && busiest.rate > 0) {
    const { row, rate, share } = busiest;
    const name = row.name === "" ? "" : ` (${nameOf(row)})`;
    lines.push([
      "busiest client",
      `${row.address}${name}`,
      `${percent(share)}, ${formatRate(rate)}/s`,
    ]);
  }
  const [hottest] = hot;
  if (hottest !== undefined) {
    const { key, server, share, perSecond } = hottest;
    lines.push([
      ...["hottest key", `${shortKey(key)} on ${server ?? "no server"}`],
      `${percent(share)} of its pool's last minute, ${formatRate(perSecond)}/s`,
    ]);
  }
  const [biggest] = big;
  if (biggest !== undefined) {
    const { key, server, bytes, elements } = biggest;
    const count = elements === null ? "" : `, ${elements} elements`;
    lines.push([
      "biggest key",
      `${shortKey(key)} on ${server ?? "no server"}`,
      `${formatBytes(bytes)}${count}`,
    ]);
  }
  return lines.length === 0 ? [] : formatTable(lines, []);
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

function nameOf({ name }: ClientRow): string {
  return name === "" ? "-" : short(formatKey(Buffer.from(name)), NAME_LENGTH_MAX);
}

function shortKey(key: string): string {
  return short(key, KEY_LENGTH_MAX);
}

function short(text: string, most: number): string {
  return text.length <= most ? text : `${text.substring(0, most - 1)}…`;
}

function waitOf({ waitMs = 0 }: ClientRow): string {
  return waitMs === 0 ? "-" : waitMs < 1000 ? `${Math.round(waitMs)}ms` : formatAge(waitMs);
}
