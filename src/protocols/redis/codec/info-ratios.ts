/** Fields of INFO that follow from other fields. */

/** dividend and divisor; each may be a difference. */
const RATIOS: Readonly<Record<string, readonly [string, string]>> = {
  mem_fragmentation_ratio: ["used_memory_rss", "used_memory"],
  allocator_frag_ratio: ["allocator_active", "allocator_allocated"],
  allocator_rss_ratio: ["allocator_resident", "allocator_active"],
  rss_overhead_ratio: ["used_memory_rss", "allocator_resident"],
};
const PERCENTAGES: Readonly<Record<string, readonly [string, string]>> = {
  used_memory_peak_perc: ["used_memory", "used_memory_peak"],
  used_memory_dataset_perc: ["used_memory_dataset", "used_memory-used_memory_startup"],
};

/** The field `name` as it follows from `fields`; null: it cannot be told; undefined: it follows from no others. */
export function ratioOf(
  name: string,
  fields: ReadonlyMap<string, string>,
): string | null | undefined {
  if (name.endsWith("_human")) {
    const bytes = fields.get(name.substring(0, name.length - "_human".length));
    return bytes === undefined ? null : humanBytes(Number(bytes));
  }
  const ratio = RATIOS[name];
  if (ratio !== undefined) return quotient(ratio, fields)?.toFixed(2) ?? null;
  const percentage = PERCENTAGES[name];
  if (percentage === undefined) return undefined;
  const share = quotient(percentage, fields);
  return share === null ? null : `${(share * 100).toFixed(2)}%`;
}

function quotient(
  [dividend, divisor]: readonly [string, string],
  fields: ReadonlyMap<string, string>,
): number | null {
  const value = amountOf(dividend, fields) / amountOf(divisor, fields);
  return Number.isFinite(value) ? value : null;
}

function amountOf(name: string, fields: ReadonlyMap<string, string>): number {
  const [minuend = "", subtrahend] = name.split("-");
  const value = Number(fields.get(minuend));
  return subtrahend === undefined ? value : value - Number(fields.get(subtrahend));
}

/** As Redis writes them. */
function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length);
  return `${(bytes / 1024 ** power).toFixed(2)}${UNITS[power - 1]}`;
}

const UNITS = "KMGTP";
