/**
 * How long ranges of received bytes are referred to by those that were given them, so that it is known when the memory can be used again.
 *
 * Who receives bytes begins, gives them away, and ends: when nothing was noted in between, all was copied.
 */

/** Nothing refers to them. */
export const COPIED = 0;
/** Something does, until the end of the turn. */
export const BORROWED = 1;
/** Something does for longer, so that the collector must find out when it is over. */
export const KEPT = 2;

export type ByteUse = typeof COPIED | typeof BORROWED | typeof KEPT;

let use: ByteUse = COPIED;

/** A range is referred to until the end of the turn. */
export function noteBorrowed(): void {
  if (use === COPIED) use = BORROWED;
}

/** A range is kept by reference. */
export function noteKept(): void {
  use = KEPT;
}

/** From now on the use of other bytes is noted. @returns what `endByteUse` needs */
export function beginByteUse(): ByteUse {
  const outer = use;
  use = COPIED;
  return outer;
}

/**
 * @param outer what `beginByteUse` gave: bytes may be received while others are dealt with
 * @returns the longest use since then
 */
export function endByteUse(outer: ByteUse): ByteUse {
  const inner = use;
  if (outer > inner) use = outer;
  return inner;
}
