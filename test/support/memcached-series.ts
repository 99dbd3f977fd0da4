/**
 * The series that memcached_exporter gives of a server, with slabs: which of its statistics each comes from, and what those of several
 * servers come to. It is made from the exporter's documentation of its metrics; a new one of its versions may have more.
 */
type Statistics = ReadonlyMap<string, string>;

/** Asks for `stats KIND`. */
export type ReadStatistics = (kind: "" | "settings" | "items" | "slabs") => Promise<Statistics>;

/** How the values of servers become one. */
export type Join = "sum" | "least" | "most" | "first";

export interface Series {
  readonly value: number;
  readonly join: Join;
}

const COMMANDS = ["get", "delete", "incr", "decr", "cas", "touch"];

/** By the statistic: the metric, and how those of several servers are joined. */
const GENERAL: Readonly<Record<string, readonly [metric: string, join: Join]>> = {
  uptime: ["uptime_seconds", "least"],
  time: ["time_seconds", "most"],
  rusage_user: ["process_user_cpu_seconds_total", "sum"],
  rusage_system: ["process_system_cpu_seconds_total", "sum"],
  bytes: ["current_bytes", "sum"],
  limit_maxbytes: ["limit_bytes", "sum"],
  curr_items: ["current_items", "sum"],
  total_items: ["items_total", "sum"],
  bytes_read: ["read_bytes_total", "sum"],
  bytes_written: ["written_bytes_total", "sum"],
  curr_connections: ["current_connections", "sum"],
  total_connections: ["connections_total", "sum"],
  rejected_connections: ["connections_rejected_total", "sum"],
  conn_yields: ["connections_yielded_total", "sum"],
  listen_disabled_num: ["connections_listener_disabled_total", "sum"],
  evictions: ["items_evicted_total", "sum"],
  reclaimed: ["items_reclaimed_total", "sum"],
  lru_crawler_starts: ["lru_crawler_starts_total", "sum"],
  direct_reclaims: ["direct_reclaims_total", "sum"],
  crawler_items_checked: ["lru_crawler_items_checked_total", "sum"],
  crawler_reclaimed: ["lru_crawler_reclaimed_total", "sum"],
  moves_to_cold: ["lru_crawler_moves_to_cold_total", "sum"],
  moves_to_warm: ["lru_crawler_moves_to_warm_total", "sum"],
  moves_within_lru: ["lru_crawler_moves_within_lru_total", "sum"],
  total_malloced: ["malloced_bytes", "sum"],
  accepting_conns: ["accepting_connections", "least"],
  cas_badval: ["commands_total{cas,badval}", "sum"],
  cmd_flush: ["commands_total{flush,hit}", "sum"],
};

const SETTINGS: Readonly<Record<string, readonly [metric: string, join: Join]>> = {
  maxconns: ["max_connections", "sum"],
  lru_crawler: ["lru_crawler_enabled", "first"],
  lru_crawler_sleep: ["lru_crawler_sleep", "first"],
  lru_crawler_tocrawl: ["lru_crawler_to_crawl", "first"],
  lru_maintainer_thread: ["lru_crawler_maintainer_thread", "first"],
  hot_lru_pct: ["lru_crawler_hot_percent", "first"],
  warm_lru_pct: ["lru_crawler_warm_percent", "first"],
  hot_max_factor: ["lru_crawler_hot_max_factor", "first"],
  warm_max_factor: ["lru_crawler_warm_max_factor", "first"],
};

/** Of a class of items; all others of an item's statistics are added up. */
const ITEM_AGES = /^(age|age_hot|age_warm|evicted_time)$/;
const ITEMS: readonly string[] = [
  ..."number age number_hot number_warm number_cold number_temp age_hot age_warm".split(" "),
  ..."evicted evicted_nonzero evicted_time evicted_unfetched expired_unfetched outofmemory".split(
    " ",
  ),
  ..."reclaimed tailrepairs crawler_reclaimed moves_to_cold moves_to_warm moves_within_lru".split(
    " ",
  ),
  ..."hits_to_hot hits_to_warm hits_to_cold hits_to_temp".split(" "),
];
const SLAB_SHAPES = /^(chunk_size|chunks_per_page)$/;
const SLABS: readonly string[] = [
  ..."chunk_size chunks_per_page total_pages total_chunks used_chunks free_chunks".split(" "),
  ..."free_chunks_end mem_requested cmd_set cas_badval".split(" "),
  ...COMMANDS.map((command) => `${command}_hits`),
];

/** @throws Error: a statistic is no number */
export async function seriesOf(read: ReadStatistics): Promise<Map<string, Series>> {
  const series = new Map<string, Series>();
  const add = (name: string, text: string | undefined, join: Join): void => {
    if (text === undefined) return;
    const value = text === "yes" ? 1 : text === "no" ? 0 : Number(text);
    if (Number.isNaN(value)) throw new Error(`${name}: "${text}" is no number`);
    series.set(name, { value, join });
  };
  const general = await read("");
  if (!general.has("version")) throw new Error("no version");
  for (const [statistic, [metric, join]] of Object.entries(GENERAL)) {
    add(metric, general.get(statistic), join);
  }
  for (const command of COMMANDS) {
    add(`commands_total{${command},hit}`, general.get(`${command}_hits`), "sum");
    add(`commands_total{${command},miss}`, general.get(`${command}_misses`), "sum");
  }
  const cas = ["cas_misses", "cas_hits", "cas_badval"].map((name) => Number(general.get(name)));
  const sets = Number(general.get("cmd_set")) - cas.reduce((a, b) => a + b);
  add("commands_total{set,hit}", `${sets}`, "sum");
  const settings = await read("settings");
  for (const [statistic, [metric, join]] of Object.entries(SETTINGS)) {
    add(metric, settings.get(statistic), join);
  }
  const items = await read("items");
  for (const [name, text] of items) {
    const [, slab, statistic = ""] = name.split(":");
    if (!ITEMS.includes(statistic)) continue;
    add(`slab_items_${statistic}{${slab}}`, text, ITEM_AGES.test(statistic) ? "most" : "sum");
  }
  const slabs = await read("slabs");
  for (const [name, text] of slabs) {
    const [slab, statistic = ""] = name.split(":");
    if (!SLABS.includes(statistic)) continue;
    add(`slab_${statistic}{${slab}}`, text, SLAB_SHAPES.test(statistic) ? "first" : "sum");
  }
  return series;
}

/** What a pool of these servers is to show. */
export function joined(servers: readonly ReadonlyMap<string, Series>[]): Map<string, number> {
  const names = new Set(servers.flatMap((series) => [...series.keys()]));
  return new Map(
    [...names].map((name) => {
      const all = servers.flatMap((series) => series.get(name) ?? []);
      const values = all.map(({ value }) => value);
      return [name, join(all[0]!.join, values)];
    }),
  );
}

function join(how: Join, values: readonly number[]): number {
  switch (how) {
    case "sum":
      return values.reduce((a, b) => a + b);
    case "least":
      return Math.min(...values);
    case "most":
      return Math.max(...values);
    case "first":
      return values[0]!;
  }
}
