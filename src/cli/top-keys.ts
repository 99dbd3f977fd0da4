/** What is pressed while `proxy top` runs: the order of rows, the view, the pool; without a terminal nothing is. */
import { SORT_KEYS, type SortKey } from "./top-screen.ts";
import { VIEWS, type View } from "./top-views.ts";

const CTRL_C = "\x03";
const TAB = "\t";
const LEFT = "\x1b[D";
const RIGHT = "\x1b[C";

export class TopKeys {
  sort: SortKey = "name";
  view: View;
  /** Null: all. */
  pool: string | null;
  isQuit = false;
  /** Something else is to be shown. */
  onChange: () => void = () => {};
  readonly #isRaw: boolean;
  #pools: readonly string[] = [];
  #wake: () => void = () => {};

  constructor(isScreen: boolean, view: View, pool: string | null) {
    this.view = view;
    this.pool = pool;
    this.#isRaw = isScreen && process.stdin.isTTY === true;
    if (!this.#isRaw) return;
    process.stdin.setRawMode(true);
    process.stdin.on("data", (data) => this.onPressed(`${data}`));
  }

  /** @param names those that can be chosen */
  setPools(names: readonly string[]): void {
    this.#pools = names;
    if (this.pool !== null && !names.includes(this.pool)) this.pool = null;
  }

  /** @param text what came from the terminal, maybe of several keys */
  onPressed(text: string): void {
    if (text === LEFT || text === RIGHT) this.#turn(text === RIGHT ? 1 : -1);
    else if (!text.startsWith("\x1b")) for (const key of text) this.#press(key);
    if (this.isQuit) this.#wake();
    else this.onChange();
  }

  #press(key: string): void {
    if (key === "q" || key === CTRL_C) this.isQuit = true;
    else if (key === TAB) this.view = VIEWS[(VIEWS.indexOf(this.view) + 1) % VIEWS.length]!;
    else this.view = VIEWS[Number(key) - 1] ?? this.view;
    this.sort = SORT_KEYS[key] ?? this.sort;
  }

  #turn(step: number): void {
    const choices = [null, ...this.#pools];
    const at = choices.indexOf(this.pool) + step;
    this.pool = choices[(at + choices.length) % choices.length] ?? null;
  }

  /** Ends early when the user quits. */
  async pause(ms: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    this.#wake = () => woken.resolve();
    const timer = setTimeout(woken.resolve, ms);
    await woken.promise;
    clearTimeout(timer);
  }

  close(): void {
    if (!this.#isRaw) return;
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stdout.write("\n");
  }
}
