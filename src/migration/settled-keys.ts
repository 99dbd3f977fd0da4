/**
 * Keys that are known to be on their new servers, so that they need not be looked for. Bounded: of those that were forgotten it is found out
 * anew, which costs a question to the old server.
 */

/** What a key takes here beside its bytes, roughly. */
const ENTRY_BYTES = 80;

export class SettledKeys {
  /** Half of the bound goes to what was settled or asked for lately, half to what was before. */
  private recent: Set<string> = new Set();
  private older: Set<string> = new Set();
  private bytes = 0;
  private readonly halfBytes: number;

  /** @param bytesMax for all of it */
  constructor(bytesMax: number) {
    this.halfBytes = bytesMax / 2;
  }

  add(name: string): void {
    if (this.recent.has(name)) return;
    this.bytes += name.length + ENTRY_BYTES;
    this.recent.add(name);
    if (this.bytes < this.halfBytes) return;
    this.older = this.recent;
    this.recent = new Set();
    this.bytes = 0;
  }

  has(name: string): boolean {
    if (this.recent.has(name)) return true;
    if (!this.older.has(name)) return false;
    this.add(name);
    return true;
  }

  clear(): void {
    this.recent.clear();
    this.older.clear();
    this.bytes = 0;
  }
}
