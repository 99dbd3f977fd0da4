/**
 * The directory of the shared memory: which block belongs to which set with which labels, and what its values are.
 *
 * A block never moves and is never given to others. A set whose rows have changed since, because the program is another
 * one, goes on in its block when it has only gained rows that fit; else it gets a second block, and readers add up both, row
 * by row, by name. So counters never fall, and workers of the older program go on in the block that they know.
 */
import type { BlockSchema, Labels, MetricRow } from "../api/metrics.ts";
import {
  BLOCK_VALUES,
  DIRECTORY_NAME,
  type Directory,
  POOL_METRICS,
  type PoolPlace,
  SERVER_METRICS,
  type StatsLayout,
  type StoredBlock,
} from "../api/stats.ts";
import { BUCKETS } from "./histogram.ts";

/** A block of any set, pools' and servers' as well. */
export interface Block {
  readonly schema: BlockSchema;
  readonly labels: Labels;
  readonly base: number;
  readonly size: number;
}

/** A block that a program wants to write to. */
export interface BlockWish {
  readonly schema: BlockSchema;
  readonly labels: Labels;
}

/** Blocks begin at whole cache lines, and have some room for rows that a later program has. */
const LINE_VALUES = 8;
const SPARE_ROWS = 4;

export const NO_BLOCKS: Directory = { schemas: [], blocks: [] };

/** The pools among the entries of a layout. */
export function poolsOf(layout: StatsLayout): readonly PoolPlace[] {
  return layout.pools.filter(({ name }) => name !== DIRECTORY_NAME);
}

export function directoryOf(layout: StatsLayout): Directory {
  return layout.pools.find(({ name }) => name === DIRECTORY_NAME)?.directory ?? NO_BLOCKS;
}

/** Every block that there is. */
export function blocksOf(layout: StatsLayout): Block[] {
  const blocks: Block[] = [];
  for (const { name: pool, base, servers } of poolsOf(layout)) {
    const size = BLOCK_VALUES;
    blocks.push({ schema: POOL_METRICS.schema, labels: { pool }, base, size });
    for (const { name: server, base } of servers) {
      blocks.push({ schema: SERVER_METRICS.schema, labels: { pool, server }, base, size });
    }
  }
  return [...blocks, ...directoryBlocks(layout)];
}

/** All of them but those of pools and servers. */
export function directoryBlocks(layout: StatsLayout): Block[] {
  const directory = directoryOf(layout);
  return directory.blocks.map((block) => resolve(directory, block));
}

/** The block that a program with the wished rows writes to; null: there is none. */
export function findBlock(directory: Directory, wish: BlockWish): Block | null {
  const blocks = blocksFor(directory, wish);
  return blocks.findLast(({ schema }) => beginsWith(schema.rows, wish.schema.rows)) ?? null;
}

/**
 * The directory with a block for each of what is wished, in this order.
 * @param take gives the base of so many free values; null: there are not as many, and that wish has no block
 */
export function withBlocks(
  directory: Directory,
  wishes: readonly BlockWish[],
  take: (size: number) => number | null,
): Directory {
  const schemas = [...directory.schemas];
  const blocks = [...directory.blocks];
  const places = new Map(placesIn(directory));
  for (const { schema, labels } of wishes) {
    const key = keyOf(schema.set, labels);
    const indexes = places.get(key) ?? [];
    const rowsAt = (index: number): readonly MetricRow[] => schemas[blocks[index]!.schema]!.rows;
    if (indexes.some((index) => beginsWith(rowsAt(index), schema.rows))) continue;
    const last = indexes.at(-1);
    const goesOn =
      last !== undefined &&
      beginsWith(schema.rows, rowsAt(last)) &&
      valuesOf(schema) <= blocks[last]!.size;
    const known = schemas.findIndex((other) => isSame(other, schema));
    const number = known === -1 ? schemas.length : known;
    if (goesOn) blocks[last] = { ...blocks[last]!, schema: number };
    else {
      const size = sizeFor(schema);
      const base = take(size);
      if (base === null) continue;
      places.set(key, [...indexes, blocks.length]);
      blocks.push({ schema: number, labels, base, size });
    }
    if (known === -1) schemas.push(schema);
  }
  const result = { schemas, blocks };
  indexes.set(result, places);
  return result;
}

/** The same set and labels, maybe with other rows; the oldest first. */
function blocksFor(directory: Directory, { schema, labels }: BlockWish): Block[] {
  const places = placesIn(directory).get(keyOf(schema.set, labels)) ?? [];
  return places.map((place) => resolve(directory, directory.blocks[place]!));
}

/** Where the blocks of a set with its labels are in the list. A directory never changes. */
type Index = ReadonlyMap<string, readonly number[]>;
const indexes: WeakMap<Directory, Index> = new WeakMap();

function placesIn(directory: Directory): Index {
  const known = indexes.get(directory);
  if (known !== undefined) return known;
  const { schemas, blocks } = directory;
  const places = new Map<string, number[]>();
  for (const [index, { schema, labels }] of blocks.entries()) {
    const key = keyOf(schemas[schema]!.set, labels);
    const known = places.get(key);
    if (known === undefined) places.set(key, [index]);
    else known.push(index);
  }
  indexes.set(directory, places);
  return places;
}

/** Names a set with its labels, in whatever order these stand. */
export function keyOf(set: string, labels: Labels): string {
  return JSON.stringify([set, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

function resolve(directory: Directory, { schema, labels, base, size }: StoredBlock): Block {
  return { schema: directory.schemas[schema]!, labels, base, size };
}

function isHistogram({ rows }: BlockSchema): boolean {
  return rows[0]?.kind === "histogram";
}

/** Values that a block with these rows needs. */
export function valuesOf(schema: BlockSchema): number {
  return isHistogram(schema) ? 1 + BUCKETS : schema.rows.length;
}

function sizeFor(schema: BlockSchema): number {
  const spare = isHistogram(schema) ? 0 : SPARE_ROWS;
  return Math.ceil((valuesOf(schema) + spare) / LINE_VALUES) * LINE_VALUES;
}

function beginsWith(rows: readonly MetricRow[], first: readonly MetricRow[]): boolean {
  return first.length <= rows.length && first.every((row, index) => isSameRow(row, rows[index]!));
}

/** Texts may change. */
function isSameRow(a: MetricRow, b: MetricRow): boolean {
  return a.name === b.name && a.kind === b.kind;
}

function isSame(a: BlockSchema, b: BlockSchema): boolean {
  const areAlike = a.set === b.set && a.rows.length === b.rows.length && beginsWith(a.rows, b.rows);
  return areAlike && a.rows.every(({ help }, index) => help === b.rows[index]!.help);
}

export function areSame(a: Labels, b: Labels): boolean {
  for (const name in a) if (a[name] !== b[name]) return false;
  for (const name in b) if (a[name] === undefined) return false;
  return true;
}
