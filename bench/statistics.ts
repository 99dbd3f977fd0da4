const SAMPLES = 2_000;

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

/** Where the median is in 95 % of samples that are drawn from these values, as many each: how sure it is. Of a non-empty list. */
export function medianInterval(values: readonly number[]): readonly [low: number, high: number] {
  const draw = (): number => values[Math.floor(Math.random() * values.length)]!;
  const medians = Array.from({ length: SAMPLES }, () => median(values.map(draw)));
  const sorted = sortedCopy(medians);
  return [percentile(sorted, 0.025), percentile(sorted, 0.975)];
}

function sortedCopy(values: readonly number[]): number[] {
  if (values.length === 0) throw new Error("median of nothing");
  return [...values].sort((left, right) => left - right);
}
