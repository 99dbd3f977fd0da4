/** How much memory of buffers, and of long texts, an object keeps alive. */

const TEXT_MIN = 1024;

/**
 * Bytes of all distinct buffers, and of texts of at least TEXT_MIN characters, that can be reached from `roots` by properties,
 * elements, and entries of maps and sets.
 * What only a closure refers to is not seen.
 * @param beyond not looked into: what is not the roots' own
 */
export function reachableBytes(
  roots: readonly object[],
  beyond: ReadonlySet<object> = new Set(),
): number {
  return reachable(roots, beyond, () => {});
}

/** The same; `visit` is called with each object on the way. */
export function reachable(
  roots: readonly object[],
  beyond: ReadonlySet<object>,
  visit: (object: object) => void,
): number {
  const seen = new Set<object>(beyond);
  const waiting: unknown[] = [...roots];
  const texts = new Set<string>();
  let bytes = 0;
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === "string" && value.length >= TEXT_MIN && !texts.has(value)) {
      texts.add(value);
      bytes += value.length;
    }
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    visit(value);
    if (ArrayBuffer.isView(value)) waiting.push(value.buffer);
    else if (value instanceof ArrayBuffer) bytes += value.byteLength;
    else if (value instanceof Map) waiting.push(...value.keys(), ...value.values());
    else if (value instanceof Set) waiting.push(...value);
    else waiting.push(...Object.values(value));
  }
  return bytes;
}
