/**
 * Index of the first value ≥ `wanted` in values sorted upward; their number when there is none.
 */
export function firstAtLeast(values: Uint32Array | Float64Array, wanted: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
