/** Middle value of a non-empty list; the mean of the two middle ones when the count is even. */
export function median(values: readonly number[]): number {
  const sorted = sortedCopy(values);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest value that at least `fraction` (0 … 1] of the values do not exceed; of a non-empty sorted list. */
export function percentile(sorted: ArrayLike<number>, fraction: number): number {
  if (sorted.length === 0) throw new Error("percentile of nothing");
  const index = Math.ceil(fraction * sorted.length) - 1;
  return sorted[Math.max(0, index)]!;
}

function sortedCopy(values: readonly number[]): number[] {
  if (values.length === 0) throw new Error("median of nothing");
  return [...values].sort((left, right) => left - right);
}
