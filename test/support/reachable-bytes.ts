/** How much memory of buffers an object keeps alive. */

/**
 * Bytes of all distinct buffers that can be reached from `roots` by properties, elements, and entries of maps and sets.
 * What only a closure refers to is not seen.
 * @param beyond not looked into: what is not the roots' own
 */
export function reachableBytes(
  roots: readonly object[],
  beyond: ReadonlySet<object> = new Set(),
): number {
  const seen = new Set<object>(beyond);
  const waiting: unknown[] = [...roots];
  let bytes = 0;
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    if (ArrayBuffer.isView(value)) waiting.push(value.buffer);
    else if (value instanceof ArrayBuffer) bytes += value.byteLength;
    else if (value instanceof Map) waiting.push(...value.keys(), ...value.values());
    else if (value instanceof Set) waiting.push(...value);
    else waiting.push(...Object.values(value));
  }
  return bytes;
}
