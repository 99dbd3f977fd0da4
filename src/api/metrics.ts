/**
 * What is counted, as tables: a set of metrics has rows, each row has a kind and a text for readers.
 *
 *   const SERVER = defineMetrics("server", ["pool", "server"], {
 *     requests: ["counter", "requests sent to the server"],
 *     in_queue: ["gauge", "requests that wait to be sent now"],
 *     queue_us: ["histogram", "time that requests waited to be sent, in microseconds"],
 *   });
 *   counters[base + SERVER.at.requests] += 1;
 *
 * Counters and gauges of a set stand side by side in one block of the shared memory, in the order of their rows, one value
 * each. A histogram has a block of its own, because it is long. Where the blocks of one pool, server … begin says the
 * directory (src/metrics/directory.ts).
 */

/** How the values that several workers have written make one, and whether a value stays when its worker is gone. */
interface KindOfValue {
  /** Of "max" and "min", 0 is no value. */
  readonly over: "sum" | "max" | "min";
  readonly isKept: boolean;
}

export type MetricKind =
  /** What only goes up. */
  | "counter"
  /** What goes up and down, summed up over the workers that live. */
  | "gauge"
  /** The largest of the workers that live. */
  | "gauge_max"
  /** The smallest of them. */
  | "gauge_min"
  /** When something happened last in any worker. */
  | "last_time"
  /** How often values of which size were observed, see src/metrics/histogram.ts. */
  | "histogram";

const KINDS: Readonly<Record<MetricKind, KindOfValue>> = {
  counter: { over: "sum", isKept: true },
  gauge: { over: "sum", isKept: false },
  gauge_max: { over: "max", isKept: false },
  gauge_min: { over: "min", isKept: false },
  last_time: { over: "max", isKept: true },
  histogram: { over: "sum", isKept: true },
};

/** Null: a kind that only a later version knows. */
export function kindOf(row: MetricRow): KindOfValue | null {
  return Object.hasOwn(KINDS, row.kind) ? KINDS[row.kind] : null;
}

/** A row as it is written in the directory: plain data, so that a program can show rows that it does not know. */
export interface MetricRow {
  readonly name: string;
  readonly kind: MetricKind;
  /** One line for readers. */
  readonly help: string;
}

export type Rows = Readonly<Record<string, readonly [kind: MetricKind, help: string]>>;
type NamesOf<R extends Rows, Kind> = {
  [Name in keyof R]: R[Name][0] extends Kind ? Name : never;
}[keyof R] &
  string;

/** Counters and gauges: what has one value. */
export type ValueName<R extends Rows> = NamesOf<R, Exclude<MetricKind, "histogram">>;
export type HistogramName<R extends Rows> = NamesOf<R, "histogram">;

/** The rows of one block, by the name under which the directory has them. */
export interface BlockSchema {
  readonly set: string;
  /** In the order of their offsets; a histogram is alone. */
  readonly rows: readonly MetricRow[];
}

/** A set whose rows' names are not known here. */
export interface AnyMetricSet {
  readonly name: string;
  /** What tells several of them apart: "pool", "server". */
  readonly labels: readonly string[];
  readonly valueNames: readonly string[];
  /** Offset of each counter and gauge from the base of their block. */
  readonly at: Readonly<Record<string, number>>;
  /** The block of its counters and gauges. */
  readonly schema: BlockSchema;
  /** The blocks of its histograms, by their names. */
  readonly histograms: Readonly<Record<string, BlockSchema>>;
}

export interface MetricSet<R extends Rows> extends AnyMetricSet {
  readonly valueNames: readonly ValueName<R>[];
  readonly at: Readonly<Record<ValueName<R>, number>>;
  readonly histograms: Readonly<Record<HistogramName<R>, BlockSchema>>;
}

/**
 * @param name letters, digits and _: it is the beginning of each row's name where sets are mixed
 * @param labels what tells several of them apart
 * @param rows their order is the order of their values
 */
export function defineMetrics<const R extends Rows>(
  name: string,
  labels: readonly string[],
  rows: R,
): MetricSet<R> {
  const all: MetricRow[] = Object.entries(rows).map(([row, [kind, help]]) => ({
    ...{ name: row, kind, help },
  }));
  const values = all.filter(({ kind }) => kind !== "histogram");
  const histograms = all.filter(({ kind }) => kind === "histogram");
  return {
    name,
    labels,
    valueNames: values.map((row) => row.name as ValueName<R>),
    at: byName(values, (_, offset) => offset),
    schema: { set: name, rows: values },
    histograms: byName(histograms, (row) => ({ set: `${name}.${row.name}`, rows: [row] })),
  };
}

function byName<Name extends string, Value>(
  rows: readonly MetricRow[],
  value: (row: MetricRow, index: number) => Value,
): Readonly<Record<Name, Value>> {
  const pairs = rows.map((row, index) => [row.name, value(row, index)]);
  return Object.fromEntries(pairs) as Record<Name, Value>;
}

/** What tells blocks of one set apart: by the set's labels, their values. */
export type Labels = Readonly<Record<string, string>>;

/** A block in the region of this worker. Read both at each use: the block may find its place in the shared memory late. */
export interface MetricBlock {
  readonly values: Float64Array;
  readonly base: number;
}

/** A set with its labels in this worker. */
export interface Metrics<R extends Rows> {
  /** Its counters and gauges: `block.values[block.base + SET.at.requests] += 1`. */
  readonly block: MetricBlock;
  add(name: ValueName<R>, by: number): void;
  /** @param value a whole number from 0, in the histogram's unit */
  observe(name: HistogramName<R>, value: number): void;
  /** The block of one of its histograms, for what observes often: see src/metrics/histogram.ts. */
  histogram(name: HistogramName<R>): MetricBlock;
}
