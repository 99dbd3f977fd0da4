/** A memcached of the simulation, with its text protocol. */
import { apply, dataLength, type Item } from "./memcache-model.ts";
import type { Speaker } from "./server.ts";

export class MemcacheStore {
  readonly values: Map<string, Item> = new Map();
  /** Told of each key that is asked for. */
  readonly onKey: (key: string) => void;

  constructor(onKey: (key: string) => void) {
    this.onKey = onKey;
  }

  get(key: string): Item {
    return this.values.get(key) ?? null;
  }

  /** @returns the reply */
  do(command: readonly string[]): string {
    const key = command[1]!;
    this.onKey(key);
    const outcome = apply(command, this.get(key));
    if (outcome === null) return "ERROR\r\n";
    if (outcome.value === null) this.values.delete(key);
    else this.values.set(key, outcome.value);
    return outcome.reply;
  }
}

export class MemcacheSpeaker implements Speaker {
  readonly interruption: string = "STORED\r\n";
  readonly isMistakable = true;
  private readonly store: MemcacheStore;
  private text = "";

  constructor(store: MemcacheStore) {
    this.store = store;
  }

  confused(reply: string): string | null {
    const other = reply.replace(/^VALUE (\S+) /, "VALUE another.key ");
    return other === reply ? null : other;
  }

  onClosed(): void {}

  *hear(text: string): Generator<string> {
    this.text += text;
    for (;;) {
      const lineEnd = this.text.indexOf("\r\n");
      if (lineEnd < 0) return;
      const words = this.text.substring(0, lineEnd).split(" ");
      const length = dataLength(words);
      const end = lineEnd + 2 + (length < 0 ? 0 : length + 2);
      if (this.text.length < end) return;
      if (length >= 0) words.push(this.text.substring(lineEnd + 2, end - 2));
      this.text = this.text.substring(end);
      const reply = this.answer(words);
      if (reply !== "") yield reply;
    }
  }

  private answer(words: string[]): string {
    const [name = ""] = words;
    if (name === "version") return "VERSION 1.6.40\r\n";
    if (name === "mn") return "MN\r\n";
    if (name === "get" && words.length > 2) {
      const blocks = words.slice(1).map((key) => this.store.do(["get", key]));
      return `${blocks.map((block) => block.substring(0, block.length - "END\r\n".length)).join("")}END\r\n`;
    }
    const at = words.indexOf("noreply");
    if (at < 0) return this.store.do(words);
    words.splice(at, 1);
    this.store.do(words);
    return "";
  }
}
