/** Random choices: up to `count` different items, or exactly -count with repetition when `count` is negative. */
export function sample<T>(items: readonly T[], count: number): T[] {
  if (items.length === 0) return [];
  if (count < 0) return Array.from({ length: Math.min(-count, REPEATED_MAX) }, () => pick(items));
  if (count === 1) return [pick(items)];
  const pool = [...items];
  const wanted = Math.min(count, pool.length);
  for (let i = 0; i < wanted; i += 1) {
    const j = i + Math.floor(Math.random() * (pool.length - i));
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  }
  pool.length = wanted;
  return pool;
}

/** Bounds the reply of a repeated choice. */
const REPEATED_MAX = 1_000_000;

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}
