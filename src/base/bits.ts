/** A set of small numbers, one bit each. */
export class Bits {
  /** How many numbers are in it. */
  size = 0;

  private words: Uint32Array = new Uint32Array(2);

  has(number: number): boolean {
    const word = this.words[number >>> 5];
    return word !== undefined && (word & (1 << (number & 31))) !== 0;
  }

  add(number: number): void {
    if (this.has(number)) return;
    const at = number >>> 5;
    if (at >= this.words.length) {
      const larger = new Uint32Array(Math.max(at + 1, 2 * this.words.length));
      larger.set(this.words);
      this.words = larger;
    }
    this.words[at]! |= 1 << (number & 31);
    this.size++;
  }

  delete(number: number): void {
    if (!this.has(number)) return;
    this.words[number >>> 5]! &= ~(1 << (number & 31));
    this.size--;
  }

  clear(): void {
    this.words.fill(0);
    this.size = 0;
  }
}
