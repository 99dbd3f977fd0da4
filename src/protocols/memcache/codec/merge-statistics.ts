/**
 * One set of memcached statistics from those of several servers: counters are added up, what cannot be added is taken
 * from one of them.
 *
 * Names and values are latin1 text, as servers send them.
 */

export type Statistic = readonly [name: string, value: string];

/** Last part of names (`items:3:age` → `age`) whose largest value speaks for all servers. */
const LARGEST: ReadonlySet<string> = new Set([
  ..."time age age_hot age_warm evicted_time hash_power_level".split(" "),
  "hash_is_expanding",
  "slab_reassign_running",
  "lru_crawler_running",
]);
/** … whose smallest one does: a server that was just started, or takes no clients, is to be seen. */
const SMALLEST: ReadonlySet<string> = new Set(["accepting_conns", "uptime"]);
/** … of which the first server's is as good as any. */
const FIRST: ReadonlySet<string> = new Set(
  "pid version libevent pointer_size chunk_size chunks_per_page".split(" "),
);

/** Settings that are amounts, to which what is in use is compared: of all servers together, too. */
const ADDED_SETTINGS: ReadonlySet<string> = new Set(["maxbytes", "maxconns"]);

/**
 * @param isSettings they say how servers are set up (`stats settings`): nothing but amounts is added up
 * @param servers each server's statistics in its order; what only some servers have counts as well
 */
export function mergeStatistics(
  isSettings: boolean,
  servers: readonly (readonly Statistic[])[],
): Statistic[] {
  const merged = new Map<string, string>();
  for (const statistics of servers) {
    for (const [name, value] of statistics) {
      const before = merged.get(name);
      if (before === undefined) merged.set(name, value);
      else if (!isSettings || ADDED_SETTINGS.has(name))
        merged.set(name, mergeValue(name, before, value));
    }
  }
  return [...merged];
}

function mergeValue(name: string, a: string, b: string): string {
  const last = name.substring(name.lastIndexOf(":") + 1);
  if (FIRST.has(last)) return a;
  if (isInteger(a) && isInteger(b)) {
    if (LARGEST.has(last)) return BigInt(a) >= BigInt(b) ? a : b;
    if (SMALLEST.has(last)) return BigInt(a) <= BigInt(b) ? a : b;
    return `${BigInt(a) + BigInt(b)}`;
  }
  // Processor seconds, with six decimals.
  if (isDecimal(a) && isDecimal(b)) return addDecimals(a, b);
  return a;
}

function isInteger(text: string): boolean {
  return /^\d{1,20}$/.test(text);
}

function isDecimal(text: string): boolean {
  return /^\d{1,14}\.\d{6}$/.test(text);
}

function addDecimals(a: string, b: string): string {
  const sum = BigInt(a.replace(".", "")) + BigInt(b.replace(".", ""));
  const digits = `${sum}`.padStart(7, "0");
  return `${digits.substring(0, digits.length - 6)}.${digits.substring(digits.length - 6)}`;
}

/**
 * Subcommands of `stats` that make sense over several servers and that every server answers in full: memcached's
 * binary `sizes_enable` lacks the reply that ends it, and others would be a dump of one server.
 */
export const MERGED_STATISTICS: readonly string[] = [
  "",
  "items",
  "slabs",
  "sizes",
  "settings",
  "reset",
  "detail on",
  "detail off",
];
