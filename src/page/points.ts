/** The last minutes as this page has them: what came with each answer, also over the change of an admin process that has forgotten. */
import type { Point, PointField } from "../api/overview.ts";
import { POINT_FIELDS } from "../api/overview.ts";

/** Beyond what any window shows. */
const KEPT_MS = 330_000;
/** A gap of more than this is drawn as one. */
const GAP_MS = 5_000;

export class Points {
  #points: Point[] = [];

  get lastMs(): number {
    return this.#points.at(-1)?.atMs ?? 0;
  }

  /** @param points ascending */
  add(points: readonly Point[]): void {
    const { lastMs } = this;
    const newest = points.at(-1)?.atMs ?? 0;
    // The history of a first answer is longer than what is here; a clock that was set back makes what is here wrong.
    const isBetter = newest < lastMs || (points[0]?.atMs ?? lastMs) < (this.#points[0]?.atMs ?? 0);
    const known = isBetter ? [] : this.#points;
    const from = isBetter ? 0 : lastMs;
    this.#points = [...known, ...points.filter(({ atMs }) => atMs > from)].filter(
      ({ atMs }) => atMs > newest - KEPT_MS,
    );
  }

  /** Those of the last `seconds`. */
  within(seconds: number): readonly Point[] {
    const from = this.lastMs - seconds * 1000;
    return this.#points.filter(({ atMs }) => atMs > from);
  }
}

/** "": all pools. Null: the pool had no such second. */
export function numbersOf(point: Point, pool: string): readonly number[] | null {
  if (pool === "") return point.all;
  return Object.hasOwn(point.pools, pool) ? (point.pools[pool] ?? null) : null;
}

/** Seconds since 1970, and a row of numbers for each field; where nothing is known, or nothing was timed, there is null. */
export function columnsOf(
  points: readonly Point[],
  pool: string,
  fields: readonly PointField[],
): [number[], ...(number | null)[][]] {
  const times: number[] = [];
  const columns: (number | null)[][] = fields.map(() => []);
  let before = 0;
  for (const point of points) {
    if (before !== 0 && point.atMs - before > GAP_MS) {
      times.push((before + 1000) / 1000);
      for (const column of columns) column.push(null);
    }
    before = point.atMs;
    times.push(point.atMs / 1000);
    const numbers = numbersOf(point, pool);
    for (const [index, field] of fields.entries()) {
      const value = numbers?.[POINT_FIELDS.indexOf(field)] ?? null;
      // A time of zero is no time: there was no request.
      const isTime = field === "max" || field.startsWith("p");
      columns[index]!.push(isTime && value === 0 ? null : value);
    }
  }
  return [times, ...columns];
}
