/** Which of some names a mistyped one was probably meant to be. */

/**
 * The name with the fewest edits (insert, delete, replace, swap of neighbours) from `word`, letter case ignored.
 * @returns null when none is near: more than a third of the longer word, rounded up, would have to change.
 */
export function nearest(word: string, names: readonly string[]): string | null {
  // A distance costs the product of the lengths; nothing near a key of ours is this long.
  if (word.length > 64) return null;
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase());
    const allowed = Math.ceil(Math.max(word.length, name.length) / 3);
    if (distance <= allowed && distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "timeout"?`, or nothing. */
export function didYouMean(word: string, names: readonly string[]): string {
  const name = nearest(word, names);
  return name === null ? "" : `; did you mean "${name}"?`;
}

function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last: number[] = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row: number[] = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = last[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[to.length]!;
}
