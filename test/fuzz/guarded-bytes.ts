/** Bytes that tell when something is read that is not part of them, and how much was read. */

/** What was done to guarded bytes. */
export interface Reads {
  /** Bytes that were looked at, each time anew. */
  count: number;
  /** The first that was not to be looked at; null: none. */
  breach: string | null;
}

/** Where each of these methods looks: at [from, to) of its arguments. */
type RangeOf = (args: readonly unknown[], length: number) => readonly [number, number];

const RANGES: ReadonlyMap<string, RangeOf> = new Map<string, RangeOf>([
  ["toString", ([, from, to], length) => [number(from, 0), number(to, length)]],
  ["latin1Slice", ([from, to], length) => [number(from, 0), number(to, length)]],
  ["utf8Slice", ([from, to], length) => [number(from, 0), number(to, length)]],
  ["subarray", () => [0, 0]],
  ["compare", ([, , , from, to], length) => [number(from, 0), number(to, length)]],
  ["copy", ([, , from, to], length) => [number(from, 0), number(to, length)]],
  ["readUInt16BE", ([at]) => [number(at, 0), number(at, 0) + 2]],
  ["readUInt32BE", ([at]) => [number(at, 0), number(at, 0) + 4]],
  ["readInt32BE", ([at]) => [number(at, 0), number(at, 0) + 4]],
]);

function number(given: unknown, otherwise: number): number {
  return typeof given === "number" ? given : otherwise;
}

/**
 * @param bytes of which [start, end) may be read; what lies around is not the reader's. Views of them are not guarded
 * @param reads is counted up
 */
export function guarded(bytes: Buffer, start: number, end: number, reads: Reads): Buffer {
  const look = (from: number, to: number, how: string): void => {
    reads.count += Math.max(to - from, 0);
    if (from < to && (from < start || to > end)) {
      reads.breach ??= `${how} of [${from}, ${to}), and [${start}, ${end}) may be read`;
    }
  };
  return new Proxy(bytes, {
    get(target, name) {
      if (typeof name === "string" && /^\d+$/.test(name)) {
        const at = Number(name);
        look(at, at + 1, "a byte");
        return target[at];
      }
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== "function" || typeof name !== "string") return value;
      return (...args: unknown[]): unknown => {
        const result = (value as (...args: unknown[]) => unknown).apply(target, args);
        if (name === "indexOf" || name === "includes") {
          // It may go on behind the end, where others' bytes are; what it finds there must not matter.
          const found = typeof result === "number" && result >= 0 ? result : end;
          reads.count += Math.max(Math.min(found, end) - number(args[1], 0), 0);
        } else {
          const rangeOf = RANGES.get(name);
          if (rangeOf === undefined) throw new Error(`guarded bytes know no ${name}`);
          const [from, to] = rangeOf(args, target.length);
          look(from, to, name);
        }
        return result;
      };
    },
    set(target, name, value) {
      const at = Number(name);
      look(at, at + 1, "a write");
      target[at] = value as number;
      return true;
    },
  });
}
