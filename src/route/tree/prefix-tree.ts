/**
 * Finds the longest of many prefixes that some bytes begin with. One step for each byte of the prefix, no allocation.
 *
 * A tree with a node for each byte of each prefix, in parallel arrays; children of a node are a list.
 */
const ROOT = 0;
/** Of a node without children, the last of a list, and a node where no prefix ends. */
const NONE = -1;

export class PrefixTree {
  private readonly bytes: number[] = [0];
  private readonly firstChild: number[] = [NONE];
  private readonly nextSibling: number[] = [NONE];
  /** Which prefix ends here. */
  private readonly ends: number[] = [NONE];

  /** @param prefixes each once; they are numbered in this order */
  constructor(prefixes: readonly Buffer[]) {
    for (const [number, prefix] of prefixes.entries()) {
      let node = ROOT;
      for (const byte of prefix) node = this.childOf(node, byte) ?? this.add(node, byte);
      this.ends[node] = number;
    }
  }

  /** The number of the longest prefix of bytes[start, end); -1: it has none of them. */
  find(bytes: Buffer, start: number, end: number): number {
    const { firstChild, nextSibling, ends } = this;
    let node = ROOT;
    let longest = ends[ROOT]!;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      node = firstChild[node]!;
      while (node !== NONE && this.bytes[node] !== byte) node = nextSibling[node]!;
      if (node === NONE) break;
      if (ends[node] !== NONE) longest = ends[node]!;
    }
    return longest;
  }

  private childOf(parent: number, byte: number): number | null {
    let node = this.firstChild[parent]!;
    while (node !== NONE && this.bytes[node] !== byte) node = this.nextSibling[node]!;
    return node === NONE ? null : node;
  }

  private add(parent: number, byte: number): number {
    const node = this.bytes.push(byte) - 1;
    this.firstChild.push(NONE);
    this.nextSibling.push(this.firstChild[parent]!);
    this.ends.push(NONE);
    this.firstChild[parent] = node;
    return node;
  }
}
