/**
 * The blocks in which this worker counts, besides those of pools and servers.
 *
 * A block that the directory has is there at once. For another one the supervisor is asked; until it answers, what is counted
 * is kept here, and is then added to the block. So it does not matter when something begins to count.
 */
import type { FromWorker, ToWorker } from "../api/control.ts";
import {
  type AnyMetricSet,
  type BlockSchema,
  type HistogramName,
  kindOf,
  type Labels,
  type MetricBlock,
  type MetricSet,
  type Metrics,
  type Rows,
  type ValueName,
} from "../api/metrics.ts";
import type { StatsLayout } from "../api/stats.ts";
import { directoryOf, findBlock, keyOf, valuesOf } from "../metrics/directory.ts";
import { observe } from "../metrics/histogram.ts";
import { resetBlock } from "../metrics/layout.ts";

export interface WorkerMetricsOptions {
  readonly layout: StatsLayout;
  /** This worker's region of the statistics memory. */
  readonly region: Float64Array;
  readonly send: (message: FromWorker) => void;
}

export class WorkerMetrics {
  private readonly options: WorkerMetricsOptions;
  private readonly blocks: Map<string, WorkerBlock> = new Map();
  /** Blocks that are asked for, by the id of the question. */
  private readonly wanted: Map<number, WorkerBlock> = new Map();
  private asked = 0;

  constructor(options: WorkerMetricsOptions) {
    this.options = options;
  }

  /** The same again for the same set and labels. */
  open<const R extends Rows>(set: MetricSet<R>, labels: Labels): Metrics<R> {
    return new OpenMetrics(set, (schema) => this.block(schema, labels));
  }

  /**
   * Where the counters and gauges of a set are, once that does not change any more: for what counts so often that it keeps
   * both. Without room in the shared memory they are in memory of this worker, and are not shown.
   */
  place(set: AnyMetricSet, labels: Labels, done: (block: MetricBlock) => void): void {
    this.block(set.schema, labels).whenSettled(done);
  }

  /** Has the blocks of the set shown, also while it counts nothing. */
  prepare(set: AnyMetricSet, labels: Labels): void {
    for (const schema of [set.schema, ...Object.values(set.histograms)]) this.block(schema, labels);
  }

  /** The block of the counters and gauges of any set. */
  blockOf({ schema }: AnyMetricSet, labels: Labels): MetricBlock {
    return this.block(schema, labels);
  }

  /** Questions that are not answered are asked again: the supervisor may have been one of an older program. */
  askAgain(): void {
    for (const [id, block] of this.wanted) this.ask(id, block);
  }

  onBlock({ id, base }: Extract<ToWorker, { readonly type: "block" }>): void {
    const block = this.wanted.get(id);
    if (block === undefined) return;
    // Without room it goes on here: the next generation will have room.
    this.wanted.delete(id);
    if (base === null) block.settle();
    else block.move(this.options.region, base);
  }

  private block(schema: BlockSchema, labels: Labels): WorkerBlock {
    const key = keyOf(schema.set, labels);
    const known = this.blocks.get(key);
    if (known !== undefined) return known;
    const { layout, region } = this.options;
    const place = findBlock(directoryOf(layout), { schema, labels });
    // With a place it needs no values of its own; those of a histogram are many.
    const size = place === null ? valuesOf(schema) : 0;
    const block = new WorkerBlock(schema, labels, new Float64Array(size));
    this.blocks.set(key, block);
    if (schema.rows.length === 0) return block;
    if (place !== null) block.move(region, place.base);
    else {
      const id = this.asked++;
      this.wanted.set(id, block);
      this.ask(id, block);
    }
    return block;
  }

  private ask(id: number, { schema, labels }: WorkerBlock): void {
    this.options.send({ type: "want_block", id, schema, labels });
  }
}

class WorkerBlock implements MetricBlock {
  readonly schema: BlockSchema;
  readonly labels: Labels;
  values: Float64Array;
  base = 0;
  /** Null: it has its place. */
  private waiting: ((block: MetricBlock) => void)[] | null = [];

  constructor(schema: BlockSchema, labels: Labels, values: Float64Array) {
    this.schema = schema;
    this.labels = labels;
    this.values = values;
  }

  /** It has its place at `base` of `region` now; a worker before this one may have counted there. */
  move(region: Float64Array, base: number): void {
    resetBlock(region, { schema: this.schema, base });
    for (const [offset, value] of this.values.entries()) {
      const row = this.schema.rows[offset];
      const isSum = row === undefined || kindOf(row)?.over === "sum";
      if (isSum) region[base + offset]! += value;
      else if (value !== 0) region[base + offset] = value;
    }
    this.values = region;
    this.base = base;
    this.settle();
  }

  settle(): void {
    const { waiting } = this;
    this.waiting = null;
    for (const done of waiting ?? []) done(this);
  }

  whenSettled(done: (block: MetricBlock) => void): void {
    if (this.waiting === null) done(this);
    else this.waiting.push(done);
  }
}

class OpenMetrics<R extends Rows> implements Metrics<R> {
  readonly block: MetricBlock;
  private readonly set: MetricSet<R>;
  private readonly histograms: Readonly<Record<string, MetricBlock>>;

  constructor(set: MetricSet<R>, block: (schema: BlockSchema) => MetricBlock) {
    this.set = set;
    this.block = block(set.schema);
    this.histograms = Object.fromEntries(
      Object.entries<BlockSchema>(set.histograms).map(([name, schema]) => [name, block(schema)]),
    );
  }

  add(name: ValueName<R>, by: number): void {
    const { values, base } = this.block;
    values[base + this.set.at[name]]! += by;
  }

  observe(name: HistogramName<R>, value: number): void {
    const { values, base } = this.histograms[name]!;
    observe(values, base, value);
  }

  histogram(name: HistogramName<R>): MetricBlock {
    return this.histograms[name]!;
  }
}
