/**
 * The last minutes, a point for each second, and how they come over a change of the admin process: as text in memory that the supervisor
 * holds, and whose descriptor it gives to each admin process.
 *
 *   "format length checksum\n" JSON of the points
 */
import { readSync, writeSync } from "node:fs";
import type { Point } from "../../api/overview.ts";
import { HISTORY_BYTES_MAX, OVERVIEW_POINTS_MAX } from "../../base/page-limits.ts";

const FORMAT = 1;
const HEAD_BYTES = 64;

export class History {
  /** Ascending. */
  readonly #points: Point[];

  /** @param points what an admin process before this one kept */
  constructor(points: readonly Point[] = []) {
    this.#points = [...points];
    this.#shorten();
  }

  get points(): readonly Point[] {
    return this.#points;
  }

  /** The last `count`. */
  last(count: number): readonly Point[] {
    return this.#points.filter((_, index) => index >= this.#points.length - count);
  }

  add(point: Point): void {
    // The clock was set back: what is later than now is not known to be.
    while ((this.#points.at(-1)?.atMs ?? 0) >= point.atMs) this.#points.pop();
    this.#points.push(point);
    this.#shorten();
  }

  #shorten(): void {
    const over = this.#points.length - OVERVIEW_POINTS_MAX;
    if (over > 0) this.#points.splice(0, over);
  }
}

/** Writes the points to the memory behind `fd`; the older ones are left out when all are too long for it. */
export function saveHistory(fd: number, points: readonly Point[]): void {
  let kept = points;
  let text = Buffer.from(JSON.stringify(kept));
  while (text.length > HISTORY_BYTES_MAX - HEAD_BYTES) {
    const half = kept.length / 2;
    kept = kept.filter((_, index) => index >= half);
    text = Buffer.from(JSON.stringify(kept));
  }
  const head = `${FORMAT} ${text.length} ${Bun.hash(text).toString(16)}`.padEnd(HEAD_BYTES - 1);
  const bytes = Buffer.concat([Buffer.from(`${head}\n`), text]);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, done);
  }
}

/** The points in the memory behind `fd`; none when it holds none, or a process died while it wrote them. */
export function readHistory(fd: number): readonly Point[] {
  const head = readText(fd, HEAD_BYTES, 0).toString("latin1");
  const [format, length, checksum] = head.trim().split(" ");
  const size = Number(length);
  if (format !== `${FORMAT}` || !(size > 0 && size <= HISTORY_BYTES_MAX - HEAD_BYTES)) return [];
  const text = readText(fd, size, HEAD_BYTES);
  return Bun.hash(text).toString(16) === checksum ? (JSON.parse(`${text}`) as Point[]) : [];
}

function readText(fd: number, size: number, position: number): Buffer {
  const bytes = Buffer.alloc(size);
  let done = 0;
  while (done < size) {
    const count = readSync(fd, bytes, done, size - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return bytes;
}
