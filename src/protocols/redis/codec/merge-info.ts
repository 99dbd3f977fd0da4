/**
 * Makes one INFO text of those of several servers: amounts are added up, states are those of the worst, and what is the same
 * everywhere is kept. What differs and cannot be added (replication ids) is about single servers and left out.
 */
import { ratioOf } from "./info-ratios.ts";

interface Section {
  readonly title: string;
  /** By field name; of lines that are no fields, by the line. */
  readonly values: Map<string, string[]>;
}

type Rule = (values: readonly string[]) => string | null;

const NUMBER = /^-?\d+(\.\d+)?%?$/;

const NONE: ReadonlyMap<string, string> = new Map();

/** By the section's title in lower case; else only what is the same everywhere is kept. */
const SECTION_RULES: Readonly<Record<string, Rule>> = {
  clients: sum,
  memory: sum,
  persistence: sum,
  stats: sum,
  cpu: sum,
  commandstats: composite,
  errorstats: composite,
  latencystats: composite,
  keyspace: composite,
};

/** First match counts, and comes before the section's rule. */
const FIELD_RULES: readonly (readonly [RegExp, Rule])[] = [
  [/_version$/, lowestVersion],
  [/^(uptime_in_\w+|rdb_last_save_time|loading_start_time|loading_loaded_perc)$/, least],
  [/^(async_)?loading$|_in_progress$|_scheduled$|_running$|_eta_seconds$|_time_sec$/, greatest],
  [/^(aof_enabled|client_recent_max_\w+|latest_fork_usec|io_threads_active)$/, greatest],
  [/^(current_fork_perc|current_cow_size_age|expired_stale_perc|server_time_usec)$/, greatest],
  [/^role$/, (values) => (values.includes("master") ? "master" : same(values))],
  [/^connected_slaves$/, sum],
  [/^slave\d+$/, () => null],
  [/_status$/, (values) => values.find((value) => value !== "ok") ?? "ok"],
  [/^maxmemory$/, (values) => (values.includes("0") ? "0" : sum(values))],
  [/^total_system_memory(_human)?$/, same],
];

/**
 * @param texts of servers, one character per byte; at least one. With one, its own is given back
 * @param own values that are not the servers' but this proxy's, by name
 */
export function mergeInfo(
  texts: readonly string[],
  own: ReadonlyMap<string, string> = NONE,
): string {
  if (texts.length === 1) return texts[0]!;
  const sections = new Map<string, Section>();
  for (const text of texts) readInto(sections, text);
  for (const { values } of sections.values()) {
    for (const [name, value] of own) if (values.has(name)) values.set(name, [value]);
  }
  return [...sections.values()].map(sectionText).join("\r\n");
}

function readInto(sections: Map<string, Section>, text: string): void {
  let values: Map<string, string[]> | null = null;
  for (const line of text.split("\r\n")) {
    if (line.startsWith("# ")) {
      const title = line.substring(2);
      const section = sections.get(title) ?? { title, values: new Map() };
      sections.set(title, section);
      values = section.values;
    } else if (line !== "" && values !== null) {
      const colon = line.indexOf(":");
      // Each module has a line of its own, and all are called the same.
      const name = colon < 0 || line.startsWith("module:") ? line : line.substring(0, colon);
      const found = values.get(name);
      const value = line.substring(name.length + 1);
      if (found === undefined) values.set(name, [value]);
      else found.push(value);
    }
  }
}

function sectionText({ title, values }: Section): string {
  const fallback = SECTION_RULES[title.toLowerCase()] ?? same;
  const merged = new Map<string, string>();
  for (const [name, all] of values) {
    const rule = FIELD_RULES.find(([pattern]) => pattern.test(name))?.[1] ?? fallback;
    const value = rule(all) ?? (rule === fallback ? same(all) : null);
    if (value !== null) merged.set(name, value);
  }
  // After the sums that they follow from.
  for (const name of values.keys()) {
    const ratio = ratioOf(name, merged);
    if (ratio !== undefined && ratio !== null) merged.set(name, ratio);
    else if (ratio === null) merged.delete(name);
  }
  const lines = [...values.keys()].flatMap((name) => lineOf(name, merged.get(name)));
  return [`# ${title}`, ...lines, ""].join("\r\n");
}

function lineOf(name: string, value: string | undefined): string[] {
  if (value === undefined) return [];
  return [name.startsWith("module:") ? name : `${name}:${value}`];
}

function same(values: readonly string[]): string | null {
  return values.every((value) => value === values[0]) ? values[0]! : null;
}

/** With as many decimals as the most exact. */
function sum(values: readonly string[]): string | null {
  if (!values.every((value) => NUMBER.test(value) && !value.endsWith("%"))) return null;
  const decimals = Math.max(...values.map((value) => value.split(".")[1]?.length ?? 0));
  if (decimals === 0) return `${values.reduce((total, value) => total + BigInt(value), 0n)}`;
  return values.reduce((total, value) => total + Number(value), 0).toFixed(decimals);
}

function least(values: readonly string[]): string | null {
  return extreme(values, (a, b) => a < b);
}

function greatest(values: readonly string[]): string | null {
  return extreme(values, (a, b) => a > b);
}

function extreme(
  values: readonly string[],
  isBetter: (a: number, b: number) => boolean,
): string | null {
  if (!values.every((value) => NUMBER.test(value))) return same(values);
  return values.reduce((best, value) =>
    isBetter(Number.parseFloat(value), Number.parseFloat(best)) ? value : best,
  );
}

function lowestVersion(values: readonly string[]): string {
  return values.reduce((lowest, value) => (isLower(value, lowest) ? value : lowest));
}

function isLower(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let i = 0; i < left!.length; i++) {
    const difference = left![i]! - (right![i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Values such as "keys=3,expires=1,avg_ttl=500". Averages count by what they are averages of; percentiles: the worst. */
function composite(values: readonly string[]): string | null {
  const servers = values.map(
    (value) => new Map(value.split(",").map((part) => part.split("=") as [string, string])),
  );
  const parts: string[] = [];
  const names = new Set(servers.flatMap((server) => [...server.keys()]));
  for (const name of names) {
    const weights = AVERAGE_OF[name];
    const all = servers.flatMap((server) => server.get(name) ?? []);
    let value: string | null;
    if (weights !== undefined) value = average(servers, name, weights);
    else value = /^p\d/.test(name) ? greatest(all) : sum(all);
    if (value === null) return null;
    parts.push(`${name}=${value}`);
  }
  return parts.join(",");
}

const AVERAGE_OF: Readonly<Record<string, string>> = {
  avg_ttl: "expires",
  usec_per_call: "calls",
};

function average(
  servers: readonly ReadonlyMap<string, string>[],
  name: string,
  weightName: string,
): string {
  let total = 0;
  let weights = 0;
  for (const server of servers) {
    const weight = Number(server.get(weightName) ?? 0);
    total += weight * Number(server.get(name) ?? 0);
    weights += weight;
  }
  const decimals = servers[0]!.get(name)?.split(".")[1]?.length ?? 0;
  return (weights === 0 ? 0 : total / weights).toFixed(decimals);
}
