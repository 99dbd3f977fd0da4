/** What is sent next, first in, first out. Taking the first costs the same whatever the number of those behind it. */
export class Outbox<Item> {
  /** How often sending the first one has failed; to be counted by who sends. */
  tries = 0;
  private items: Item[] = [];
  private head = 0;

  get first(): Item | undefined {
    return this.items[this.head];
  }

  get isEmpty(): boolean {
    return this.head === this.items.length;
  }

  push(item: Item): void {
    this.items.push(item);
  }

  shift(): void {
    this.tries = 0;
    this.head++;
    if (!this.isEmpty) return;
    this.items = [];
    this.head = 0;
  }
}
