/** Numbers for what is under way, the smallest ones first, so that arrays may be indexed by them. */
export class Places {
  /** That are taken. */
  count = 0;
  private readonly free: number[] = [];
  private next = 0;

  take(): number {
    this.count++;
    return this.free.pop() ?? this.next++;
  }

  giveBack(place: number): void {
    this.count--;
    this.free.push(place);
  }
}
