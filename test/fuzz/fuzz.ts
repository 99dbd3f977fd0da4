/**
 * Whether a scanner finds the same messages in the same bytes, however they come, without looking at anything else, in work that
 * grows with their number only.
 */
import { Random } from "../simulation/random.ts";
import { guarded, type Reads } from "./guarded-bytes.ts";
import type { Finding, Target } from "./targets.ts";

/** Bytes of an input at the most. */
const INPUT_BYTES_MAX = 600;
/** What lies before and behind, and is others'. */
const MARGIN = 24;
/** Reads for each byte that comes alone, and for each call. */
const READS_PER_BYTE = 24;
const READS_PER_CALL = 80;

/** An input: right messages, with what makes a difference in wrong places. */
export function createInput(target: Target, random: Random): Buffer {
  const parts: string[] = [];
  for (let i = random.between(1, 6); i > 0; i--) parts.push(random.pick(target.examples));
  let text = parts.join("");
  for (let i = random.small(8); i > 0; i--) text = mutated(text, target, random);
  return Buffer.from(text.substring(0, INPUT_BYTES_MAX), "latin1");
}

function mutated(text: string, { words }: Target, random: Random): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + random.small(12));
  const before = text.substring(0, at);
  switch (random.below(6)) {
    case 0:
      return before + random.pick(words) + text.substring(at);
    case 1:
      return before + random.pick(words) + text.substring(to);
    case 2:
      return before + text.substring(to);
    case 3:
      return before + String.fromCharCode(random.below(256)) + text.substring(at + 1);
    case 4:
      return before + text.substring(at, to).repeat(random.between(2, 20)) + text.substring(to);
    default:
      return before;
  }
}

/** @returns what is wrong; null: nothing */
export function check(target: Target, input: Buffer, random: Random): string | null {
  const whole = findAll(target, input, () => input.length, random, 0);
  if (typeof whole === "string") return whole;
  for (const sizes of [() => 1, () => random.between(1, 4), () => random.between(1, 200)]) {
    const pieces = findAll(target, input, sizes, random, random.below(256));
    if (typeof pieces === "string") return pieces;
    if (JSON.stringify(pieces) !== JSON.stringify(whole)) {
      return `in pieces it finds ${JSON.stringify(pieces)}, and at once ${JSON.stringify(whole)}`;
    }
  }
  return null;
}

/** Gives the input to a new scanner, in pieces. @param fill what lies around it */
function findAll(
  target: Target,
  input: Buffer,
  size: () => number,
  random: Random,
  fill: number,
): Finding[] | string {
  const scan = target.create();
  const found: Finding[] = [];
  const reads: Reads = { count: 0, breach: null };
  let calls = 0;
  let from = 0;
  let came = 0;
  // What has come is in another buffer each time, as it is when it had to be moved.
  let held = Buffer.alloc(0);
  while (came < input.length) {
    came = Math.min(input.length, came + size());
    held = Buffer.concat([held, input.subarray(from + held.length, came)]);
    for (;;) {
      const margin = random.below(MARGIN);
      const room = Buffer.alloc(margin + held.length + random.below(MARGIN), fill);
      held.copy(room, margin);
      const end = margin + held.length;
      let finding: Finding;
      try {
        finding = scan(guarded(room, margin, end, reads), margin, end);
      } catch (error) {
        return `it threw ${error instanceof Error ? error.stack : String(error)}`;
      }
      calls++;
      if (reads.breach !== null) return reads.breach;
      // What a scanner puts right stays so.
      held = Buffer.from(room.subarray(margin, end));
      if (finding.end > end || (finding.end > 0 && finding.end <= margin)) {
        return `a message ends at ${finding.end}, and what has come is [${margin}, ${end})`;
      }
      if (finding.end <= 0) {
        if (finding.end < 0) found.push({ ...finding, end: -1 });
        if (finding.end < 0) return found;
        break;
      }
      const length = finding.end - margin;
      found.push({ end: from + length, what: finding.what });
      if (target.isOnce === true) return found;
      from += length;
      held = held.subarray(length);
      if (held.length === 0) break;
    }
  }
  const mostReads = READS_PER_BYTE * input.length + READS_PER_CALL * calls;
  if (reads.count > mostReads) {
    return `${reads.count} reads for ${input.length} bytes in ${calls} calls`;
  }
  return found;
}

export interface FuzzFailure {
  readonly target: string;
  readonly seed: number;
  readonly input: string;
  readonly problem: string;
}

/** The input of one seed. Null: all is well. */
export function fuzzOnce(target: Target, seed: number): FuzzFailure | null {
  const random = new Random(seed);
  const input = createInput(target, random);
  const problem = check(target, input, random);
  if (problem === null) return null;
  return { target: target.name, seed, input: JSON.stringify(input.toString("latin1")), problem };
}
