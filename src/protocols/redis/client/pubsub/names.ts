/** Names of channels and patterns in a request, which may be a million: read one by one, where the request stood. */
import { keptRange } from "../../../../base/copy-of.ts";
import { SUBSCRIBE_NAMES_BYTES_MAX, SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import type { RequestView } from "../../codec/request-view.ts";

export interface Names extends Iterable<string> {
  readonly count: number;
  /** Of all names together. */
  readonly bytes: number;
}

/** All arguments but the command, of the request at hand. A long request is not copied: memory that is new costs more than its bytes. */
export function namesOf({
  bytes,
  start,
  end,
  count,
  argumentStart,
  argumentEnd,
}: RequestView): Names {
  const request = keptRange(bytes, start, end);
  // Not Int32Array.from, which asks an iterator for each of them.
  const starts = new Int32Array(argumentStart.subarray(1, count));
  const ends = new Int32Array(argumentEnd.subarray(1, count));
  let sum = 0;
  for (let i = 0; i < starts.length; i++) sum += ends[i]! - starts[i]!;
  return {
    ...{ count: starts.length, bytes: sum },
    *[Symbol.iterator]() {
      for (let i = 0; i < starts.length; i++) yield request.toString("latin1", starts[i], ends[i]);
    },
  };
}

/** Names that are dealt with some at a time. */
export class NameCursor {
  private readonly names: Iterator<string>;
  private readonly bytesMax: number;
  private next: IteratorResult<string>;

  /** @param bytesMax what is taken at once, but for its last name */
  constructor(names: Iterable<string>, bytesMax: number = SUBSCRIBE_NAMES_BYTES_MAX) {
    this.bytesMax = bytesMax;
    this.names = names[Symbol.iterator]();
    this.next = this.names.next();
  }

  /** There are no more. */
  get isDone(): boolean {
    return this.next.done === true;
  }

  /** The next names, as many as are dealt with in one turn of the event loop: at least one, unless `isDone`. */
  take(): string[] {
    const taken: string[] = [];
    let bytes = 0;
    while (this.next.done !== true && taken.length < SUBSCRIBE_NAMES_MAX && bytes < this.bytesMax) {
      taken.push(this.next.value);
      bytes += this.next.value.length;
      this.next = this.names.next();
    }
    return taken;
  }
}
