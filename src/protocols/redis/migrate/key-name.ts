/** The name of a key among those of all databases. @param key one character per byte */
export function nameOf(database: number, key: string): string {
  return `${database}/${key}`;
}

/** The key that has this name. */
export function keyOf(name: string): Buffer {
  return Buffer.from(name.substring(name.indexOf("/") + 1), "latin1");
}
